"""Quantum ESPRESSO as an oracle: pw.x through ASE's calculator, ph.x for the response to an electric field."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.espresso import Espresso as EspressoCalculator
from ase.calculators.espresso import EspressoProfile
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import create_units

from labkit.datasets.generate.oracle import never
from labkit.datasets.generate.program import last_words, require, run
from labkit.datasets.generate.pseudopotentials import pseudopotential
from labkit.datasets.generate.response import parse_response, response_input
from labkit.errors import LabkitError
from labkit.units import BOHR, RYDBERG

HSCV_PBE = {"H": "H_HSCV_PBE-1.0.UPF", "O": "O_HSCV_PBE-1.0.UPF"}
PREFIX = "pwscf"


@dataclass(frozen=True)
class Espresso:
    """PBE labels by pw.x; with `response`, ph.x adds dielectric tensor, polarizability [Å^3] and Born charges [e].

    The settings are pw.x's and ph.x's own keywords in their own units; the defaults are those of the shipped ice.

    ecutwfc           Ry
    k_points, shift   as in K_POINTS automatic
    conv_thr, tr2_ph  thresholds of pw.x [Ry] and ph.x
    """

    ecutwfc: float = 70.0
    k_points: tuple[int, int, int] = (1, 1, 1)
    shift: tuple[int, int, int] = (1, 1, 1)
    conv_thr: float = 1e-9
    pseudopotentials: Mapping[str, str] = field(default_factory=lambda: dict(HSCV_PBE))
    response: bool = False
    tr2_ph: float = 1e-12

    @property
    def name(self) -> str:
        files = " ".join(self.pseudopotentials[s] for s in sorted(self.pseudopotentials))
        k, s = " ".join(map(str, self.k_points)), " ".join(map(str, self.shift))
        ph = f", ph.x tr2_ph {self.tr2_ph:g}" if self.response else ""
        return f"pw.x {files}, {self.ecutwfc:g} Ry, k {k} {s}, conv_thr {self.conv_thr:g}{ph}"

    def require(self) -> None:
        """Raise MissingProgram unless programs and pseudopotentials are there."""
        require("pw.x")
        if self.response:
            require("ph.x")
        for file in self.pseudopotentials.values():
            pseudopotential(file)

    def label(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> Atoms:
        missing = sorted(set(atoms.symbols) - set(self.pseudopotentials))
        if missing:
            raise LabkitError(f"no pseudopotential for {', '.join(missing)}; name one in pseudopotentials={{...}}")
        with tempfile.TemporaryDirectory(prefix="labkit-pw-") as name:
            folder = Path(name)
            for file in self.pseudopotentials.values():
                (folder / file).write_bytes(pseudopotential(file))
            labelled = self._pw(atoms, folder, should_stop)
            if self.response:
                self._ph(labelled, folder, should_stop)
            return labelled

    def _pw(self, atoms: Atoms, folder: Path, should_stop: Callable[[], bool]) -> Atoms:
        work = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
        work.calc = EspressoCalculator(
            profile=_Profile(require("pw.x"), folder, should_stop),
            directory=folder,
            pseudopotentials=dict(self.pseudopotentials),
            kpts=self.k_points,
            koffset=self.shift,
            input_data=self._input(),
        )
        energy = work.get_potential_energy()
        log = folder / "espresso.pwo"
        if "convergence has been achieved" not in log.read_text():
            raise LabkitError(f"pw.x did not converge: {last_words(log)}")
        # ASE reads pw.x with the constants of CODATA 2006, 1.5e-4 eV off for ice; labkit has one set of units.
        old = create_units("2006")
        hartree, length = RYDBERG / old["Ry"], BOHR / old["Bohr"]
        labelled = atoms.copy()
        labelled.calc = SinglePointCalculator(
            labelled,
            energy=float(energy * hartree),
            forces=work.get_forces() * hartree / length,
            stress=work.get_stress() * hartree / length**3,
        )
        return labelled

    def _input(self) -> dict[str, Any]:
        return {
            "control": {"calculation": "scf", "tprnfor": True, "tstress": True, "outdir": "./", "prefix": PREFIX},
            "system": {"ecutwfc": self.ecutwfc},
            "electrons": {"conv_thr": self.conv_thr},
        }

    def _ph(self, labelled: Atoms, folder: Path, should_stop: Callable[[], bool]) -> None:
        (folder / "ph.in").write_text(response_input(PREFIX, self.tr2_ph))
        run([require("ph.x"), "-in", "ph.in"], folder, "ph.out", should_stop)
        dielectric, born = parse_response((folder / "ph.out").read_text(), len(labelled))
        labelled.info["dielectric"] = dielectric
        labelled.info["polarizability"] = labelled.get_volume() * (dielectric - np.eye(3)) / (4 * np.pi)
        labelled.set_array("born_charges", born.reshape(-1, 9))


class _Profile(EspressoProfile):
    """ASE's profile, run so that it can be stopped and keeps to one thread."""

    def __init__(self, command: str, folder: Path, should_stop: Callable[[], bool]) -> None:
        super().__init__(command, folder)
        self.should_stop = should_stop

    def run(self, directory, inputfile, outputfile, errorfile=None, append=False) -> None:
        run(self.get_command(inputfile), Path(directory), outputfile, self.should_stop)
