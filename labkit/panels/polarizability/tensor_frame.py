"""The frame behind a point of a parity plot of tensors: its labelled and its predicted ellipsoid."""

from __future__ import annotations

from dataclasses import dataclass

import ipywidgets as widgets
import numpy as np
import traitlets
from ase import Atoms

from labkit.base.unwrap import unwrap_molecules
from labkit.panels.kit import html
from labkit.panels.kit.plotted import Pointer
from labkit.panels.kit.shown_figure import ShownFigure
from labkit.panels.structure.view import StructurePanel

COMPONENTS = ("xx", "yy", "zz", "xy", "xz", "yz")


@dataclass(frozen=True, eq=False)
class TensorFrame:
    """A validation frame with its label and its prediction, (3, 3) Å^3."""

    number: int
    atoms: Atoms
    label: np.ndarray
    predicted: np.ndarray


class ShowsTensors(ShownFigure):
    """A model with parity plots of components: a click on a point shows its frame as `tensor_frame`.

    The subclass calls `compare` with every fit at rest, so that the frame is compared with the fit in the picture.
    """

    tensor_frame = traitlets.Instance(TensorFrame, allow_none=True)
    _compared: tuple[list[Atoms], np.ndarray, np.ndarray] | None = None

    def compare(self, atoms: list[Atoms], labels: np.ndarray, predicted: np.ndarray) -> None:
        """Use these predictions (V, 3, 3) of a fit from now on, for the frame that is shown as well."""
        self._compared = atoms, labels, predicted
        if self.tensor_frame is not None:
            self._show_tensors(self.tensor_frame.number)

    def hover(self, at: Pointer) -> tuple[str, str]:
        text, action = super().hover(at)
        return (f"{text}\nvalidation frame {at.hit.index}" if self._is_point(at) else text, action)

    def action(self, at: Pointer) -> str:
        return "show this frame" if self._is_point(at) else super().action(at)

    def press(self, at: Pointer) -> None:
        if self._is_point(at):
            self._show_tensors(at.hit.index)
        else:
            super().press(at)

    def _is_point(self, at: Pointer) -> bool:
        return at.hit is not None and at.axes.startswith("Parity") and self._compared is not None

    def _show_tensors(self, number: int) -> None:
        atoms, labels, predicted = self._compared
        known = number < len(atoms)
        self.tensor_frame = TensorFrame(number, atoms[number], labels[number], predicted[number]) if known else None


class TensorFrameView(widgets.VBox):
    """The frame with both ellipsoids, which turn with the crystal, and numbers; empty before the first click."""

    def __init__(self, model: ShowsTensors) -> None:
        self.model = model
        self.words, self.table = widgets.HTML(), widgets.HTML()
        self.structure: StructurePanel | None = None
        super().__init__([])
        self.add_class("labkit-tensors")
        model.observe(self._show, "tensor_frame")

    def _show(self, _: object = None) -> None:
        found = self.model.tensor_frame
        if found is None:
            self.children = ()
            return
        atoms = unwrap_molecules(found.atoms)
        atoms.calc = None
        atoms.info = {"polarizability": found.label, "predicted_polarizability": found.predicted}
        if self.structure is None:
            self.structure = StructurePanel(atoms, height="320px")
        else:
            self.structure.model.begin(atoms)
        self.words.value = html.hint(
            f"Validation frame {found.number}: the label's ellipsoid is green, the predicted one orange and dashed."
        )
        places = [("xyz".index(a), "xyz".index(b)) for a, b in COMPONENTS]
        tensors = {"label [Å³]": found.label, "predicted": found.predicted}
        rows = [[name, *(f"{tensor[place]:.3f}" for place in places)] for name, tensor in tensors.items()]
        self.table.value = html.table([f"frame {found.number}", *COMPONENTS], rows)
        self.children = (self.words, self.structure, self.table)
