"""Averages over pairs of times: a window of past frames, and means in blocks of a run for errors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labkit.base import Observer, State
from labkit.engine.observers import stored
from labkit.engine.run import Run
from labkit.errors import LabkitError

_BLOCKS = 16


class Lagged(Observer):
    """Base class of observers of time correlations: they keep a window of frames, however long the run is.

    A subclass defines the per-atom quantity, and how two of its values combine. Means are per system and
    species, over all time origins and atoms, and are kept apart in at most 16 blocks of equal length, which are
    merged in pairs when they are full: their spread gives errors.
    """

    def __init__(self, window: float, every: int) -> None:
        self.window, self.every = float(window), every
        self.run: Run | None = None
        self._clear()

    def _clear(self) -> None:
        self._past: Tensor | None = None  # (W, n, 3), the latest first
        self._sums: Tensor | None = None  # (blocks, S, K, W)
        self._counts: Tensor | None = None  # (blocks, W)
        self._block, self._filled, self._length, self._seen = 0, 0, 0, 0
        self._step: int | None = None

    @property
    def settings(self) -> dict[str, Any]:
        return {"window": self.window}

    def quantity(self, state: State) -> Tensor:
        """The observed quantity, (n, 3)."""
        raise NotImplementedError

    def combine(self, now: Tensor, past: Tensor) -> Tensor:
        """(W, n, 3) and (n, 3) to (W, n)."""
        raise NotImplementedError

    @property
    def spacing(self) -> float:
        """fs between two samples."""
        if self.run is None:
            raise LabkitError(f"{type(self).__name__}: was not used in a run; give it to simulate(observers=...)")
        return self.every * abs(self.run.dt)

    @property
    def lags(self) -> Tensor:
        """Times (W,) fs between the two frames of a pair."""
        return torch.arange(self._size(), dtype=torch.float64) * self.spacing

    @property
    def species(self) -> list[int]:
        """Atomic numbers (K,), in the order of results."""
        return list(self.run.state.system.of_species)

    def start(self, run: Run) -> None:
        """Start again, unless the run continues where the last one ended."""
        continues = self._step is not None and run.state.loop_step == self._step and self._past is not None
        self.run = run
        if self._size() < 2:
            raise LabkitError(
                f"{type(self).__name__}: a window of {self.window:g} fs holds no two samples {self.spacing:g} fs "
                "apart; make the window longer or every smaller"
            )
        if not continues:
            self._clear()
            self._length = self._size()
        system = run.state.system
        kinds = torch.zeros_like(system.numbers)
        for k, atoms in enumerate(system.of_species.values()):
            kinds[atoms] = k
        self._group = system.index * len(self.species) + kinds
        self._atoms = torch.bincount(self._group, minlength=system.n_systems * len(self.species))

    def __call__(self, state: State, evaluation: Any) -> None:
        now, size = self.quantity(state).detach(), self._size()
        if self._past is None:
            self._past = now.new_zeros(size, *now.shape)
        self._past = torch.cat([now[None], self._past[:-1]])  # the present frame is at lag 0
        self._seen += 1
        self._step = state.loop_step
        known = min(self._seen, size)
        pairs = self.combine(now, self._past[:known])
        groups = pairs.new_zeros(known, len(self._atoms)).index_add(1, self._group, pairs)
        mean = groups / self._atoms.clamp(min=1)
        self._add(mean.T.reshape(state.system.n_systems, len(self.species), known).to(torch.float64))

    def _add(self, values: Tensor) -> None:
        if self._sums is None:
            self._sums = values.new_zeros(_BLOCKS, *values.shape[:2], self._size())
            self._counts = values.new_zeros(_BLOCKS, self._size())
        if self._filled == self._length:
            self._block, self._filled = self._block + 1, 0
        if self._block == _BLOCKS:
            self._sums = _in_pairs(self._sums)
            self._counts = _in_pairs(self._counts)
            self._block, self._length = _BLOCKS // 2, 2 * self._length
        self._sums[self._block, :, :, : values.shape[2]] += values
        self._counts[self._block, : values.shape[2]] += 1
        self._filled += 1

    def mean(self) -> Tensor:
        """Mean over the run, (S, K, W); nan at lags that no pair had, and for species missing in a system."""
        self._check()
        return self._blank(self._sums.sum(0) / self._counts.sum(0))

    def blocks(self) -> Tensor:
        """Means of the complete blocks, (blocks, S, K, W)."""
        self._check()
        whole = self._block + (self._filled == self._length)
        return self._blank(self._sums[:whole] / self._counts[:whole, None, None])

    def position(self) -> dict[str, Any]:
        numbers = {n: getattr(self, f"_{n}") for n in ("block", "filled", "length", "seen", "step")}
        tensors = {n: t for n in ("past", "sums", "counts") if (t := getattr(self, f"_{n}")) is not None}
        return numbers | tensors

    def rewind(self, position: dict[str, Any], run: Run) -> None:
        self._clear()
        self.start(run)
        state, size = run.state, self._size()
        self._block, self._filled = stored.whole(position, "block", most=_BLOCKS), stored.whole(position, "filled")
        self._length, self._seen = stored.whole(position, "length", 1), stored.whole(position, "seen")
        self._step = stored.step_of(position)
        if self._seen:
            past = (size, state.system.n_atoms, 3)
            self._past = stored.tensor(position, "past", *past, dtype=state.positions.dtype)
            shape = (_BLOCKS, state.system.n_systems, len(self.species), size)
            self._sums = stored.tensor(position, "sums", *shape)
            self._counts = stored.tensor(position, "counts", _BLOCKS, size)

    def numbers(self) -> dict[str, Tensor]:
        """Numbers that a test compares to the bit."""
        return {f"{type(self).__name__}.{n}": v for n, v in self.position().items() if isinstance(v, Tensor)}

    def _size(self) -> int:
        return int(self.window / self.spacing + 1e-9) + 1

    def _blank(self, values: Tensor) -> Tensor:
        shape = values.shape[-3:-1]
        return torch.where((self._atoms.reshape(shape) > 0)[..., None], values, torch.nan)

    def _check(self) -> None:
        if self._sums is None:
            raise LabkitError(f"{type(self).__name__}: has seen no frame yet; run simulate with it first")


def _in_pairs(values: Tensor) -> Tensor:
    """Blocks 0 and 1 become the first, 2 and 3 the second, ...; the rest is empty."""
    merged = values[0::2] + values[1::2]
    return torch.cat([merged, torch.zeros_like(merged)])
