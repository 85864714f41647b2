"""Noise that is a function of (seed, step, stream) alone, so that what is resumed or recomputed sees the same."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.base import State

#: What the noise of one step is for; different streams of one step are independent.
VELOCITIES, THERMOSTAT, BAROSTAT, EXCHANGE, DRIFT = range(5)
_STREAMS = 8
_MASK = 0xFFFFFFFF


def generator(
    state: State, stream: int, step: int | None = None, made: torch.Generator | None = None
) -> torch.Generator:
    """A generator on the device of the state, seeded by (state.seed, step, stream); never torch's global one.

    `step` is that of the state unless another is given; `made` is seeded again instead of making another.

    >>> from ase.build import molecule
    >>> state = State.from_atoms(molecule("H2O"), seed=3)
    >>> a, b = (torch.rand(1, generator=generator(state, THERMOSTAT)) for _ in range(2))
    >>> bool(a == b)
    True
    """
    made = made or torch.Generator(device=state.positions.device)
    made.manual_seed(_seed(state.seed, state.step if step is None else step, stream))
    return made


def normal(
    state: State, stream: int, *shape: int, step: int | None = None, made: torch.Generator | None = None
) -> Tensor:
    """Independent standard normal numbers of that shape, in the dtype and on the device of the positions."""
    like = state.positions
    return torch.randn(*shape, generator=generator(state, stream, step, made), dtype=like.dtype, device=like.device)


def _seed(seed: int, step: int, stream: int) -> int:
    # torch's generator on the CPU reads the lower 32 bits of a seed only. For one `seed` they are a bijection of
    # (step, stream) here, so that no two of the first 5e8 steps of a run can get the same noise, as hashes would.
    low_key, high_key = _mix32(seed & _MASK), _mix32((seed >> 32 & _MASK) ^ 0x9E3779B9)
    counter = step * _STREAMS + stream
    low = _mix32((_mix32((counter ^ low_key) & _MASK) + high_key) & _MASK)
    high = _mix32((low ^ low_key) + (counter >> 32) & _MASK)
    return high << 32 | low


def _mix32(x: int) -> int:
    """A bijection of 32 bits in which each depends on all (lowbias32 of C. Wellons)."""
    x = (x ^ x >> 16) * 0x7FEB352D & _MASK
    x = (x ^ x >> 15) * 0x846CA68B & _MASK
    return x ^ x >> 16
