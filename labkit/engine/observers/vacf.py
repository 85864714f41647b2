"""Velocity autocorrelation and the vibrational density of states derived from it."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.base import State
from labkit.engine.observers.lags import Lagged
from labkit.errors import LabkitError

#: cm^-1 of one oscillation per fs
_WAVENUMBER = 1e15 / 29979245800.0


class VelocityAutocorrelation(Lagged):
    """⟨v(t0) · v(t0 + t)⟩ [Å^2/fs^2] for t up to `window` [fs], per system and species; over all t0 and atoms.

    Raises LabkitError for a window that holds no two samples.

    >>> vacf = VelocityAutocorrelation(window=500.0, every=2)
    """

    def __init__(self, window: float, every: int = 1) -> None:
        super().__init__(window, every)

    def quantity(self, state: State) -> Tensor:
        return state.velocities

    def combine(self, now: Tensor, past: Tensor) -> Tensor:
        return (past * now).sum(2)

    def spectrum(self) -> tuple[Tensor, Tensor]:
        """Wavenumbers (W,) cm^-1 and the cosine transform (S, K, W) [Å^2/fs] of the VACF under Hann's window."""
        values = self.mean()
        if not bool((self._counts.sum(0) > 0).all()):
            raise LabkitError(
                f"VelocityAutocorrelation: the run was shorter than the window of {self.window:g} fs; run longer"
            )
        size = values.shape[-1]
        taper = torch.hann_window(2 * size - 1, periodic=False, dtype=values.dtype, device=values.device)[size - 1 :]
        even = torch.cat([values * taper, (values * taper)[..., 1:].flip(-1)], -1)
        frequencies = torch.fft.rfftfreq(2 * size - 1, self.spacing, dtype=values.dtype, device=values.device)
        return frequencies * _WAVENUMBER, torch.fft.rfft(even).real * self.spacing
