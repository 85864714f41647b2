"""The TensorSearch panel: which environment describes a tensor best, as a map."""

from __future__ import annotations

from labkit.panels.kit.view import Panel
from labkit.panels.tensor_search.model import TensorSearchModel

__all__ = ["TensorSearchPanel"]


class TensorSearchPanel(Panel):
    """Errors of frames left out over cutoff, atom_sigma and zeta: `TensorSearchPanel(frames)` ends a cell.

    `settings` are the other ones of TensorDesign.build. Environments are tried on the workers of a dask `client` if
    one is given. Stop keeps the finished ones.

    >>> import labkit
    >>> from labkit.polarizability import with_label
    >>> frames = with_label(labkit.datasets.ice("train"), "polarizability")[:12]
    >>> panel = TensorSearchPanel(frames, n_max=2, l_max=2, n_features=10)
    >>> panel.model.cutoff, panel.model.atom_sigma, panel.model.zeta = "3, 4", "0.3", "2"
    >>> job = panel.run()
    >>> len(panel.job.wait(30))
    2
    """

    model_type = TensorSearchModel
