"""The Train panel, and the frame behind a point of a parity plot."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np
from ase import Atoms

from labkit.base.unwrap import unwrap_molecules
from labkit.panels.kit import html
from labkit.panels.kit.view import Panel
from labkit.panels.structure.view import StructurePanel
from labkit.panels.train.compared import ComparedFrame, ComparesFrames
from labkit.panels.train.model import TrainModel

MOST = 4  # atoms in the table


class ComparedFrameView(widgets.VBox):
    """The frame that a model compares: predicted and reference forces as arrows, and as numbers beside each other.

    Empty until a point of a parity plot is clicked.
    """

    def __init__(self, model: ComparesFrames) -> None:
        self.model = model
        self.words, self.table = widgets.HTML(), widgets.HTML()
        self.structure: StructurePanel | None = None  # made when it is first needed: a page has few of them
        super().__init__([])
        self.add_class("labkit-compared")
        model.observe(self._show, "compared")

    def _show(self, _: object = None) -> None:
        found = self.model.compared
        if found is None:
            self.children = ()
            return
        frame = _with_arrows(found)
        if self.structure is None:
            self.structure = StructurePanel(frame, height="300px")
            self.structure.model.arrows = True
        else:
            self.structure.model.begin(frame)
        self.words.value = html.hint(_words(found, self.model.words_for(found.point)))
        self.table.value = _table(found)
        self.children = (self.words, self.structure, self.table)


def _with_arrows(found: ComparedFrame) -> Atoms:
    atoms = unwrap_molecules(found.atoms)
    atoms.calc = None
    label, prediction = (np.nan_to_num(forces) for forces in found.forces)
    atoms.arrays["forces"], atoms.arrays["predicted_forces"] = label, prediction
    return atoms


def _words(found: ComparedFrame, place: str) -> str:
    label, prediction = found.energies
    energy = (prediction - label) / len(found.atoms)
    words = f"{place[0].upper()}{place[1:]}."
    words += f" Energy: {1e3 * energy:+.3g} meV/atom." if np.isfinite(energy) else ""
    return f"{words} Arrows: reference forces green, predicted ones orange."


def _table(found: ComparedFrame) -> str:
    """Forces on the atom asked for, and on those with the largest errors."""
    errors = np.nan_to_num(found.errors)
    asked = [] if found.point.atom is None else [found.point.atom]
    atoms = list(dict.fromkeys([*asked, *np.argsort(-errors)[:MOST].tolist()]))[:MOST]
    label, prediction = found.forces
    rows = []
    for k in atoms:
        both = ("\u00a0".join(f"{x:+.2f}" for x in forces[k]).replace("-", "−") for forces in (label, prediction))
        rows.append([f"{found.atoms.symbols[k]} {k}", *both, f"{errors[k]:.3f}"])
    return html.table(["atom", "reference [eV/Å]", "predicted", "|difference|"], rows)


class TrainPanel(Panel):
    """Train a GAP on frames and watch both errors: `TrainPanel(train, valid)` as the last line of a cell.

    Parity plot and RMSE are updated as frames are added. Stop keeps the fit to the frames so far. With a
    `checkpoint` folder, Run resumes after Stop or a dead kernel.

    >>> import labkit
    >>> from labkit.gap import GapConfig, Soap
    >>> train, valid = labkit.datasets.ice("train", n=50)[:6], labkit.datasets.ice("valid")[:3]
    >>> panel = TrainPanel(train, valid, GapConfig(Soap(n_max=3, l_max=2, n_sparse=20)))
    >>> job = panel.run()
    >>> fit = panel.job.wait(30)
    >>> fit is panel.model.results, fit.n_frames
    (True, 6)
    """

    model_type = TrainModel

    def _below(self) -> list[widgets.Widget]:
        return [ComparedFrameView(self.model)]
