"""The Structure panel without a screen: the frame shown, its options, and its still picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import traitlets
from ase import Atoms

from labkit.base.bonds import POLAR, hydrogen_bonds
from labkit.base.formula import formula
from labkit.base.unwrap import unwrap_molecules
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.panels.kit.style import to_png
from labkit.panels.structure.ellipsoid import EllipsoidScale
from labkit.panels.structure.figure import picture, rotation

ARROW = 2.0  # Å, length of a large force's arrow


class StructureModel(traitlets.HasTraits):
    """Frames to show; with an array "shell" of whole numbers from 0 atoms have the colour of their shell, with an array
    "spread" from 0 to 1 that of their uncertainty.

    index    the frame shown, of `count`; `exchanged` counts how often all frames were replaced
    arrows   whether forces are drawn, `scale` eV/Å for 1 Å of arrow; an array "predicted_forces" of a frame as well
    cell     whether the unit cell is drawn
    hydrogen_bonds  whether they are drawn
    still    whether a still picture replaces the live view; `turn` and `tilt` [degrees] are its viewing angles
    view     rotation (3, 3) of the live view, which the still picture shares until its angles are changed, or None
    picture  PNG, drawn only while it is shown
    """

    index = traitlets.Int(0)
    exchanged = traitlets.Int(0)
    count = traitlets.Int(0)
    arrows = traitlets.Bool(False)
    cell = traitlets.Bool(True)
    hydrogen_bonds = traitlets.Bool(False)
    still = traitlets.Bool(False)
    turn = traitlets.Int(20)
    tilt = traitlets.Int(12)
    view = traitlets.Instance(np.ndarray, allow_none=True)
    picture = traitlets.Bytes(b"")

    def __init__(self, frames: Dataset | Sequence[Atoms] | Atoms, **values: object) -> None:
        atoms, self.forces, self.energies = _take(frames)
        self.atoms = [unwrap_molecules(a) for a in atoms]
        if not self.atoms:
            raise LabkitError("there is no frame to show; expected an ase.Atoms, a list of them or a Dataset")
        large = np.concatenate([np.linalg.norm(f, axis=1) for f in self.forces if f is not None] or [np.ones(1)])
        self.scale = float(np.percentile(large, 95)) / ARROW or 1.0
        self.ellipsoid = EllipsoidScale.of(self.atoms[0])
        super().__init__(count=len(self.atoms), **values)
        self.observe(self._look, ["turn", "tilt"])
        drawn = ["index", "exchanged", "arrows", "cell", "hydrogen_bonds", "still", "view"]
        self.observe(lambda _: self.draw(), drawn)
        self.draw()

    @traitlets.validate("index")
    def _within(self, proposal: dict) -> int:
        if not 0 <= proposal["value"] < len(self.atoms):
            raise LabkitError(f"frame {proposal['value']}: expected 0 to {len(self.atoms) - 1}")
        return proposal["value"]

    def append(self, frame: Atoms) -> None:
        """Add a frame; if the last frame was shown, show this one."""
        follows = self.index == self.count - 1
        _, forces, energies = _take(frame)
        self.atoms.append(unwrap_molecules(frame))
        self.forces += forces
        self.energies += energies
        self.count = len(self.atoms)
        if follows:
            self.index = self.count - 1

    def begin(self, frame: Atoms) -> None:
        """Replace all frames by this one."""
        atoms, forces, energies = _take(frame)
        self.atoms, self.forces, self.energies = atoms, forces, energies
        self.index, self.count = 0, 1
        self.exchanged += 1

    @property
    def has_forces(self) -> bool:
        return any(f is not None for f in self.forces)

    def shown_arrows(self) -> np.ndarray | None:
        """Arrows (n, 3) Å of the current frame, or None."""
        forces = self.forces[self.index]
        return forces / self.scale if self.arrows and forces is not None else None

    def shown_predictions(self) -> np.ndarray | None:
        """Arrows (n, 3) Å of the current frame's predicted forces, or None."""
        forces = self.atoms[self.index].arrays.get("predicted_forces")
        return forces / self.scale if self.arrows and forces is not None else None

    def shown_lines(self) -> list[tuple[np.ndarray, str]]:
        """Pieces (k, 2, 3) Å of the ellipsoids of the current frame's polarizability, with their colours."""
        return [] if self.ellipsoid is None else self.ellipsoid.lines(self.atoms[self.index])

    def draw(self) -> None:
        """Draw the still picture, if it is shown."""
        if self.still:
            self.picture = self.drawn()

    def drawn(self) -> bytes:
        """PNG of the current frame."""
        figure = picture(
            self.atoms[self.index], self.shown_arrows(), self.shown_predictions(), cell=self.cell,
            view=self.rotation(), dashes=self.shown_bonds(), lines=self.shown_lines(),
        )  # fmt: skip
        return to_png(figure)

    def rotation(self) -> np.ndarray:
        """Rows are the screen's x, y and the direction to the eye (3, 3)."""
        return rotation(self.turn, self.tilt) if self.view is None else self.view

    def shown_bonds(self) -> np.ndarray | None:
        """Hydrogen bonds (m, 2, 3) Å of the current frame, or None."""
        return hydrogen_bonds(self.atoms[self.index]) if self.hydrogen_bonds else None

    @property
    def may_have_hydrogen_bonds(self) -> bool:
        """Whether the first frame has hydrogen, and atoms that could give and take it."""
        numbers = self.atoms[0].numbers
        return 1 in numbers and bool(np.isin(numbers, POLAR).sum() > 1)

    def _look(self, _: object) -> None:
        """The angles have changed: look from there."""
        self.view = rotation(self.turn, self.tilt)

    def describe(self) -> str:
        """The frame in words."""
        atoms, energy = self.atoms[self.index], self.energies[self.index]
        words = [f"frame {self.index} of {len(self.atoms)}"] if len(self.atoms) > 1 else []
        words.append(f"{len(atoms)} atoms, {formula(atoms)}")
        if energy is not None:
            words.append(f"{energy:.3f} eV")
        if self.arrows and self.has_forces:
            words.append(f"forces: 1 Å of arrow is {self.scale:.2g} eV/Å")
        if (shells := atoms.arrays.get("shell")) is not None:
            words.append("atoms in shells 0, 1, ...: " + ", ".join(map(str, np.bincount(shells))))
        if self.ellipsoid is not None and self.shown_lines():
            words.append(f"ellipsoid: polarizability, differences {self.ellipsoid.enlarged:g} times as large")
        return " · ".join(words)


def _take(frames: Dataset | Sequence[Atoms] | Atoms) -> tuple[list[Atoms], list, list]:
    """Structures, and forces (n, 3) and energies, None for a frame without them."""
    if isinstance(frames, Atoms):
        frames = [frames]
    if isinstance(frames, Dataset):
        labels = [frames.labels(i) for i in range(len(frames))]
        forces = [np.nan_to_num(x["forces"]) if "forces" in x else None for x in labels]
        return list(frames.atoms), forces, [x.get("energy") for x in labels]
    atoms = list(frames)
    # only stored results: asking a calculator would start a computation
    results = [a.calc.results if a.calc is not None else {} for a in atoms]
    forces = [r.get("forces", a.arrays.get("forces")) for r, a in zip(results, atoms, strict=True)]
    return atoms, forces, [r.get("energy", a.info.get("energy")) for r, a in zip(results, atoms, strict=True)]
