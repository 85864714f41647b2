"""A frame of a parity plot: its labels and predictions, found again from a point of the plot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import traitlets
from ase import Atoms

from labkit.datasets import Dataset
from labkit.panels.kit.plotted import Pointer
from labkit.panels.kit.shown_figure import ShownFigure
from labkit.panels.kit.style import SET_NAMES
from labkit.panels.train.figure import spacing

Predictions = Mapping[str, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class PointOfSet:
    """What a point of a parity plot stands for: a frame of a set and, of forces, the atom in it and the component."""

    which: str
    frame: int
    atom: int | None = None
    component: int | None = None


@dataclass(frozen=True, eq=False)
class ComparedFrame:
    """A frame beside its predictions; `point` says which one, and which atom was asked for.

    energies  (label, prediction) in eV
    forces    (label, prediction), (n, 3) eV/Å each; NaN where unknown
    """

    point: PointOfSet
    atoms: Atoms
    energies: tuple[float, float]
    forces: tuple[np.ndarray, np.ndarray]

    @property
    def errors(self) -> np.ndarray:
        """Length of the force's error of each atom, (n,) eV/Å."""
        label, prediction = self.forces
        return np.linalg.norm(prediction - label, axis=1)


class ComparesFrames(ShownFigure):
    """A model with parity plots in the axes "energy", "forces" or "parity": a click on a point shows its frame.

    A subclass sets `quantity` if its parity plot has the name "parity", and calls `compare` with every fit: the frame
    shown is always compared with the fit in the picture.
    """

    compared = traitlets.Instance(ComparedFrame, allow_none=True)
    quantity = ""

    def compare(self, sets: Mapping[str, Dataset | None], predictions: Predictions) -> None:
        """Use the predictions of a fit from now on, for the frame that is shown as well."""
        self._compared_with = {which: (frames, predictions[which]) for which, frames in sets.items() if frames}
        if self.compared is not None:
            self._show_frame(self.compared.point)

    def point_at(self, at: Pointer) -> PointOfSet | None:
        """The frame, atom and component of the point that a pointer is at."""
        quantity = self.quantity if at.axes == "parity" else at.axes
        found = getattr(self, "_compared_with", {})
        if at.hit is None or quantity not in ("energy", "forces") or at.hit.name not in found:
            return None
        frames, _ = found[at.hit.name]
        counts = np.asarray(frames.counts)
        if quantity == "energy":
            return PointOfSet(at.hit.name, at.hit.index * spacing(len(counts)))
        row, component = divmod(at.hit.index * spacing(3 * int(counts.sum())), 3)
        frame = int(np.searchsorted(np.cumsum(counts), row, side="right"))
        return PointOfSet(at.hit.name, frame, row - int(counts[:frame].sum()), component)

    def words_for(self, point: PointOfSet) -> str:
        """The point in words.

        As in "validation frame 12, atom 3 (O), y".
        """
        frames, _ = self._compared_with[point.which]
        words = f"{SET_NAMES[point.which]} frame {point.frame}"
        if point.atom is None:
            return words
        symbol = frames.atoms[point.frame].symbols[point.atom]
        return f"{words}, atom {point.atom} ({symbol}), {'xyz'[point.component]}"

    def hover(self, at: Pointer) -> tuple[str, str]:
        text, action = super().hover(at)
        point = self.point_at(at)
        return (text if point is None else f"{text}\n{self.words_for(point)}", action)

    def action(self, at: Pointer) -> str:
        return "show this frame" if self.point_at(at) else super().action(at)

    def press(self, at: Pointer) -> None:
        point = self.point_at(at)
        if point is None:
            super().press(at)
        else:
            self._show_frame(point)

    def _show_frame(self, point: PointOfSet) -> None:
        if point.which not in self._compared_with or point.frame >= len(self._compared_with[point.which][0]):
            self.compared = None
            return
        frames, found = self._compared_with[point.which]
        k, rows = point.frame, slice(*np.asarray(frames.offsets)[[point.frame, point.frame + 1]])
        unknown = np.full_like(found["forces_true"][rows], np.nan)
        forces = found["forces_true"][rows], found["forces"][rows] if "forces" in found else unknown
        energies = float(found["energy_true"][k]), float(found["energy"][k])
        self.compared = ComparedFrame(point, frames.atoms[k], energies, forces)
