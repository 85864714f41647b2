"""The TensorSearch panel: which environment describes a tensor best, as a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labkit.panels.kit.view import Panel
from labkit.panels.tensor_search.model import TensorSearchModel
from labkit.polarizability.labels import Frames

if TYPE_CHECKING:
    from distributed import Client


class TensorSearchPanel(Panel):
    """Errors of frames left out over cutoff, atom_sigma and zeta: `TensorSearchPanel(frames)` ends a cell.

    `settings` are the other ones of TensorDesign.build. Environments are tried on the workers of a dask `client` where
    one is given. Stop keeps those that are done.

    >>> import labkit
    >>> from labkit.polarizability import with_label
    >>> frames = with_label(labkit.datasets.ice("train"), "polarizability")[:12]
    >>> panel = TensorSearchPanel(frames, n_max=2, l_max=2, n_features=10)
    >>> panel.model.cutoff, panel.model.atom_sigma, panel.model.zeta = "3, 4", "0.3", "2"
    >>> job = panel.run()
    >>> len(panel.job.wait(30))
    2
    """

    title = "Search for the best environment"

    def __init__(self, frames: Frames, client: Client | None = None, **settings: Any) -> None:
        self.hint = "Each cell is a design at its own best regularizations, judged by frames left out of its fit."
        super().__init__(TensorSearchModel(frames, client, **settings))
