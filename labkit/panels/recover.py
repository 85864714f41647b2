"""The Recover panel: partial charges found again by gradients through dynamics."""

from __future__ import annotations

from labkit.base import State
from labkit.forcefield import ForceField
from labkit.panels._base import Panel
from labkit.panels.recover_model import RecoverModel


class RecoverPanel(Panel):
    """Wrong charges, and where a few steps of dynamics should have led: `RecoverPanel(state, forcefield)` ends a cell.

    Loss and charges are drawn as the search goes on. Stop keeps the best so far.

    >>> from labkit.forcefield.examples.brine import brine
    >>> panel = RecoverPanel(*brine(8))
    >>> panel.model.steps, panel.model.iterations = 1, 2
    >>> job = panel.run()
    >>> len(panel.job.wait(60).losses) >= 2
    True
    """

    title = "Recover the charges"

    def __init__(self, state: State, forcefield: ForceField) -> None:
        self.hint = "The charges start wrong. Gradients through the dynamics say how to mend them. Dashed: the truth."
        super().__init__(RecoverModel(state, forcefield))
