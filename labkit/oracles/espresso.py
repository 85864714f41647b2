"""Quantum ESPRESSO as an oracle: pw.x through ASE's calculator, ph.x for the response to an electric field."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.espresso import Espresso as EspressoCalculator
from ase.calculators.espresso import EspressoProfile
from ase.units import create_units

from labkit.errors import LabkitError
from labkit.oracles.convergence import require_converged
from labkit.oracles.errors import CalculationFailed
from labkit.oracles.label import Label
from labkit.oracles.oracle import Oracle, never
from labkit.oracles.program import require, run
from labkit.oracles.pseudopotentials import pseudopotential
from labkit.oracles.response import parse_response, require_converged_response, response_input
from labkit.oracles.structure import multiplicity, total_charge
from labkit.units import BOHR, RYDBERG

HSCV_PBE = {"H": "H_HSCV_PBE-1.0.UPF", "O": "O_HSCV_PBE-1.0.UPF"}
PREFIX, LOG = "pwscf", "espresso.pwo"


@dataclass(frozen=True)
class Espresso(Oracle):
    """PBE labels by pw.x; with `response`, ph.x adds dielectric tensor, polarizability [Å^3] and Born charges [e].

    The settings are pw.x's and ph.x's own keywords in their own units; the defaults are those of the shipped ice.

    ecutwfc           Ry
    k_points, shift   as in K_POINTS automatic
    conv_thr, tr2_ph  thresholds of pw.x [Ry] and ph.x
    electron_maxstep  SCF cycles, after which Unconverged is raised
    pseudopotentials  a file for each element; the hash covers its content

    Frames are periodic in all directions. Charge and spin are those of the frame (see structure_hash). Stop ends the
    program within a tenth of a second. Source: Giannozzi et al., J. Phys. Condens. Matter 29, 465901 (2017).
    """

    kind: ClassVar[str] = "espresso"
    ecutwfc: float = 70.0
    k_points: tuple[int, int, int] = (1, 1, 1)
    shift: tuple[int, int, int] = (1, 1, 1)
    conv_thr: float = 1e-9
    pseudopotentials: Mapping[str, str] = field(default_factory=lambda: dict(HSCV_PBE), hash=False)
    response: bool = False
    tr2_ph: float = 1e-12
    electron_maxstep: int = 100

    @property
    def name(self) -> str:
        files = " ".join(self.pseudopotentials[s] for s in sorted(self.pseudopotentials))
        k, s = " ".join(map(str, self.k_points)), " ".join(map(str, self.shift))
        ph = f", ph.x tr2_ph {self.tr2_ph:g}" if self.response else ""
        steps = f", {self.electron_maxstep} cycles" if self.electron_maxstep != 100 else ""
        return f"pw.x {files}, {self.ecutwfc:g} Ry, k {k} {s}, conv_thr {self.conv_thr:g}{steps}{ph}"

    @property
    def settings(self) -> dict[str, Any]:
        content = {file: hashlib.sha256(pseudopotential(file)).hexdigest() for file in self.pseudopotentials.values()}
        return {**super().settings, "sha256": content}

    def require(self) -> None:
        """Raise MissingProgram unless programs and pseudopotentials are installed."""
        require("pw.x")
        if self.response:
            require("ph.x")
        for file in self.pseudopotentials.values():
            pseudopotential(file)

    def compute(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> Label:
        missing = sorted(set(atoms.symbols) - set(self.pseudopotentials))
        if missing:
            raise LabkitError(f"no pseudopotential for {', '.join(missing)}; name one in pseudopotentials={{...}}")
        if not atoms.pbc.all():
            raise CalculationFailed(
                f"pw.x: the frame has pbc {atoms.pbc.tolist()}, but plane waves are periodic in all directions; "
                "give it a cell and pbc=True if it may interact with its images, or use another oracle"
            )
        with tempfile.TemporaryDirectory(prefix="labkit-pw-") as name:
            folder = Path(name)
            for file in self.pseudopotentials.values():
                (folder / file).write_bytes(pseudopotential(file))
            values, program = self._pw(atoms, folder, should_stop)
            if self.response:
                values |= self._ph(atoms, folder, should_stop)
            return Label(values, program)

    def _pw(self, atoms: Atoms, folder: Path, should_stop: Callable[[], bool]) -> tuple[dict[str, Any], str]:
        work = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
        work.calc = EspressoCalculator(
            profile=_Profile(require("pw.x"), folder, should_stop),
            directory=folder,
            pseudopotentials=dict(self.pseudopotentials),
            kpts=self.k_points,
            koffset=self.shift,
            input_data=self._input(atoms),
        )
        energy = work.get_potential_energy()
        # ASE reads pw.x with the constants of CODATA 2006, 1.5e-4 eV off for ice; labkit has one set of units.
        old = create_units("2006")
        hartree, length = RYDBERG / old["Ry"], BOHR / old["Bohr"]
        found = re.search(r"Program PWSCF v\.(\S+)", (folder / LOG).read_text(errors="replace"))
        values = {
            "energy": float(energy * hartree),
            "forces": work.get_forces() * hartree / length,
            "stress": work.get_stress(voigt=False) * hartree / length**3,
        }
        return values, f"pw.x {found.group(1)}" if found else "pw.x"

    def _input(self, atoms: Atoms) -> dict[str, Any]:
        system: dict[str, Any] = {"ecutwfc": self.ecutwfc}
        if np.any(atoms.arrays.get("initial_magmoms", 0)):
            raise CalculationFailed("pw.x: magnetic moments of atoms are not supported; set info['multiplicity']")
        if total_charge(atoms):
            system["tot_charge"] = total_charge(atoms)
        if multiplicity(atoms) > 1:
            system |= {"nspin": 2, "tot_magnetization": multiplicity(atoms) - 1}
        return {
            "control": {"calculation": "scf", "tprnfor": True, "tstress": True, "outdir": "./", "prefix": PREFIX},
            "system": system,
            "electrons": {"conv_thr": self.conv_thr, "electron_maxstep": self.electron_maxstep},
        }

    def _ph(self, atoms: Atoms, folder: Path, should_stop: Callable[[], bool]) -> dict[str, Any]:
        (folder / "ph.in").write_text(response_input(PREFIX, self.tr2_ph))
        try:
            run([require("ph.x"), "-in", "ph.in"], folder, "ph.out", should_stop)
        except CalculationFailed:
            require_converged_response((folder / "ph.out").read_text(errors="replace"))
            raise
        dielectric, born = parse_response((folder / "ph.out").read_text(), len(atoms))
        polarizability = atoms.get_volume() * (dielectric - np.eye(3)) / (4 * np.pi)
        return {"dielectric": dielectric, "polarizability": polarizability, "born_charges": born}


class _Profile(EspressoProfile):
    """ASE's profile, run so that it can be stopped, uses one thread, and is read only if the SCF converged."""

    def __init__(self, command: str, folder: Path, should_stop: Callable[[], bool]) -> None:
        super().__init__(command, folder)
        self.should_stop = should_stop

    def run(self, directory, inputfile, outputfile, errorfile=None, append=False) -> None:
        log = Path(directory) / outputfile
        try:
            run(self.get_command(inputfile), Path(directory), outputfile, self.should_stop)
        except CalculationFailed:  # pw.x also ends with an error if only the SCF did not converge
            require_converged(log.read_text(errors="replace"))
            raise
        require_converged(log.read_text(errors="replace"))
