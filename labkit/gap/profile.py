"""A series of structures whose energies and spreads any fit of a design predicts in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence

import ase
import torch

from labkit.base import State
from labkit.config import config as run_config
from labkit.gap.model import GapModel


class Profile:
    """Energies along a path, such as the stretching of a bond, for all models that share sparse points.

    The covariances of the structures with the sparse points are computed once, from any of the models; then
    E = Σ e0 + k·c and the variance of GapModel need two triangular solutions.

    >>> import labkit
    >>> from labkit.gap import Design, GapConfig, Soap
    >>> design = Design.build(labkit.datasets.ice("train", n=50)[:4], GapConfig(Soap(n_max=3, l_max=2, n_sparse=20)))
    >>> path = Profile(design.solve(), labkit.datasets.ice("stretch").atoms)
    >>> energy, spread = path.predict(design.solve(sigma_energy=0.01))
    >>> energy.shape, bool((spread > 0).all())
    (torch.Size([21]), True)
    """

    def __init__(self, model: GapModel, frames: Sequence[ase.Atoms]) -> None:
        state = State.from_atoms(list(frames), device=run_config().device)
        with torch.no_grad():
            _, _, self._variance, self._rows = model.covariances(state)
        self._lone = state.system.sum_over_atoms(model.lone_energies(state.system))

    def predict(self, model: GapModel) -> tuple[torch.Tensor, torch.Tensor]:
        """Energies (S,) eV and their standard deviations (S,) eV."""
        with torch.no_grad():
            return self._lone + self._rows @ model.weights, model.posterior_variance(self._variance, self._rows).sqrt()
