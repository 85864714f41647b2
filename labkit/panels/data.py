"""The Data panel: what is wrong with a set of frames, in words and pictures."""

from __future__ import annotations

from labkit.datasets import Dataset
from labkit.panels._base import Panel
from labkit.panels.data_model import DataModel


class DataPanel(Panel):
    """Examine frames before anything is trained on them: `DataPanel(ds)` as the last line of a cell.

    Run shows the findings, problems first, and below them the distributions and at which shift of frames the labels
    fit the geometry.

    >>> import labkit
    >>> panel = DataPanel(labkit.datasets.ice("train", n=50))
    >>> job = panel.run()
    >>> panel.job.wait(30).problems
    ()
    """

    title = "Audit of the data"

    def __init__(self, dataset: Dataset) -> None:
        self.hint = f"{len(dataset)} frames of {dataset.name or 'your own'}. Run looks for what a fit would hide."
        super().__init__(DataModel(dataset))
