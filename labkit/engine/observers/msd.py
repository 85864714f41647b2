"""Mean-square displacement and the diffusion coefficient derived from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.base import State
from labkit.base.nearest_image import nearest
from labkit.engine.observers import stored
from labkit.engine.observers.lags import Lagged
from labkit.engine.run import Run
from labkit.errors import LabkitError


@dataclass(frozen=True, eq=False)
class Diffusion:
    """D (S, K) and the standard error of its mean, both Å^2/fs (1 Å^2/fs is 0.1 cm^2/s)."""

    value: Tensor
    error: Tensor


class MeanSquareDisplacement(Lagged):
    """⟨|r(t0 + t) - r(t0)|²⟩ [Å^2] for t up to `window` [fs], per system and species; over all t0 and atoms.

    labkit's positions are not wrapped into the cell. With `wrapped=True`, for an integrator that wraps them, an atom is
    taken to move to its nearest image between two samples (Smith & Allen, Understanding Molecular Simulation, 4.4.1).
    In a run with a changing cell the displacements include the scaling of the positions.

    Raises LabkitError for a window that holds no two samples.

    >>> msd = MeanSquareDisplacement(window=1000.0, every=10)
    """

    def __init__(self, window: float, every: int = 10, *, wrapped: bool = False) -> None:
        self.wrapped = wrapped
        super().__init__(window, every)

    def _clear(self) -> None:
        super()._clear()
        self._unwrapped: Tensor | None = None
        self._latest: Tensor | None = None

    def quantity(self, state: State) -> Tensor:
        if not self.wrapped:
            return state.positions
        if self._unwrapped is None:
            self._unwrapped = state.positions.clone()
        else:
            moved = state.positions - self._latest
            self._unwrapped = self._unwrapped + nearest(moved, state.cell, state.system.pbc, state.system.index)
        self._latest = state.positions
        return self._unwrapped

    def combine(self, now: Tensor, past: Tensor) -> Tensor:
        return (past - now).square().sum(2)

    def diffusion(self, begin: float = 0.2, end: float = 1.0) -> Diffusion:
        """D = slope / 6 of a straight line through the MSD between two fractions of the window.

        The error is the spread of the blocks of the run over the square root of their number; nan below 2 blocks.
        """
        values, lags = self.mean(), self.lags.to(self._sums.device)
        chosen = (lags >= begin * self.window) & (lags <= end * self.window)
        chosen &= torch.isfinite(self._sums.sum(0) / self._counts.sum(0)).all(0).all(0)
        if int(chosen.sum()) < 2:
            raise LabkitError(
                f"MeanSquareDisplacement: {int(chosen.sum())} lags between {begin:g} and {end:g} of the window of "
                f"{self.window:g} fs; run longer or choose a wider part"
            )
        blocks = _slope(lags[chosen], self.blocks()[..., chosen]) / 6.0
        blocks = blocks[torch.isfinite(blocks).any(-1).any(-1)]  # the first has no pairs at some lags in a short run
        spread = blocks.std(0) / len(blocks) ** 0.5 if len(blocks) > 1 else torch.full_like(values[..., 0], torch.nan)
        return Diffusion(_slope(lags[chosen], values[..., chosen]) / 6.0, spread)

    def rewind(self, position: dict, run: Run) -> None:
        super().rewind(position, run)
        if self.wrapped and self._seen:
            n, dtype = run.state.system.n_atoms, run.state.positions.dtype
            self._unwrapped = stored.tensor(position, "unwrapped", n, 3, dtype=dtype)
            self._latest = stored.tensor(position, "latest", n, 3, dtype=dtype)

    def position(self) -> dict:
        more = {n: t for n in ("unwrapped", "latest") if (t := getattr(self, f"_{n}")) is not None}
        return super().position() | more

    def start(self, run: Run) -> None:
        super().start(run)
        if self.wrapped and not bool(run.state.system.pbc.any()):
            raise LabkitError("MeanSquareDisplacement: wrapped=True, but no system is periodic; leave it out")


def _slope(x: Tensor, y: Tensor) -> Tensor:
    x = x - x.mean()
    return (x * y).sum(-1) / x.square().sum()
