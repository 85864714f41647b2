"""The Data panel: what is wrong with a set of frames, in words and pictures."""

from __future__ import annotations

from labkit.panels.data.model import DataModel
from labkit.panels.kit.view import Panel

__all__ = ["DataPanel"]


class DataPanel(Panel):
    """Examine frames before anything is trained on them: `DataPanel(ds)` as the last line of a cell.

    Run shows the findings, problems first, then the distributions and the shift of frames at which the labels fit the
    geometry. The findings take the full width; how sure each is, and the notes, are folded away.

    >>> import labkit
    >>> panel = DataPanel(labkit.datasets.ice("train", n=50))
    >>> job = panel.run()
    >>> panel.job.wait(30).problems
    ()
    """

    model_type = DataModel
    results_below = True
