"""The Uncertainty panel, and the atom behind a point of its picture."""

from __future__ import annotations

import ipywidgets as widgets

from labkit.panels.kit import html
from labkit.panels.kit.view import Panel
from labkit.panels.structure.view import StructurePanel
from labkit.panels.uncertainty.model import UncertaintyModel


class PickedAtomView(widgets.VBox):
    """The frame of the atom that was clicked, coloured by σ; the slider goes on to its nearest training frame."""

    def __init__(self, model: UncertaintyModel) -> None:
        self.model, self.words = model, widgets.HTML()
        self.structure: StructurePanel | None = None  # made when it is first needed: a page has few of them
        super().__init__([])
        model.observe(self._show, "picked")

    def _show(self, _: object = None) -> None:
        found = self.model.picked
        if found is None:
            self.children = ()
            return
        frames = [found.atoms, *([] if found.known is None else [found.known])]
        if self.structure is None:
            self.structure = StructurePanel(frames, height="300px", growing=True)
        else:
            self.structure.model.begin(frames[0])
            for frame in frames[1:]:
                self.structure.model.append(frame)
            self.structure.model.index = 0
        colours = "Frame 0: the darker an atom, the larger its σ."
        colours += " Frame 1: the training frame, the similar atom dark." if frames[1:] else ""
        self.words.value = html.hint(f"{found.words} {colours}")
        self.children = (self.words, self.structure)


class UncertaintyPanel(Panel):
    """Errors beside σ, reliability and ROC: `UncertaintyPanel(potentials, train, valid)` ends a cell.

    potentials  {name: potential}, or one potential; all kinds of uncertainty that they offer are evaluated
    train       the frames they were trained on
    valid       frames with forces; half of them calibrate, the other half judges, or `test` does

    >>> import labkit
    >>> from labkit.gap import Design, GapConfig, Soap
    >>> train, valid = labkit.datasets.ice("train", n=50)[:6], labkit.datasets.ice("valid")[::10]
    >>> gap = Design.build(train, GapConfig(Soap(n_max=3, l_max=2, n_sparse=20))).solve()
    >>> panel = UncertaintyPanel({"GAP": gap}, train, valid)
    >>> job = panel.run()
    >>> panel.model.rescaling = "one factor"
    >>> list(panel.job.wait(60))
    ['GAP: GP variance', 'GAP: nearest environments', 'GAP: Mahalanobis distance']
    >>> panel.settle()
    >>> panel.model.judged.samples.unit
    'eV/Å'
    """

    model_type = UncertaintyModel

    def _below(self) -> list[widgets.Widget]:
        return [PickedAtomView(self.model)]
