"""The Train panel: a GAP and its errors while it is fitted."""

from __future__ import annotations

from labkit.panels.kit.view import Panel
from labkit.panels.train.model import TrainModel

__all__ = ["TrainPanel"]


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
