"""The Recover panel: partial charges recovered by gradients through dynamics."""

from __future__ import annotations

from labkit.panels.kit.view import Panel
from labkit.panels.recover.model import RecoverModel

__all__ = ["RecoverPanel"]


class RecoverPanel(Panel):
    """Wrong charges, and the end of a short run with the right ones: `RecoverPanel(state, forcefield)` ends a cell.

    Loss and charges are drawn during the search. Stop keeps the best so far.

    >>> from labkit.forcefield.examples.brine import brine
    >>> panel = RecoverPanel(*brine(8))
    >>> panel.model.steps, panel.model.iterations = 1, 2
    >>> job = panel.run()
    >>> len(panel.job.wait(60).losses) >= 2
    True
    """

    model_type = RecoverModel
