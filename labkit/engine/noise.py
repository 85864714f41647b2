"""Noise that is a function of (seed, step, stream, atom of its system): it is the same after a resumption, a
recomputation, or the removal of other systems."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from labkit.base import State
from labkit.base.philox import STREAMS, halves, philox
from labkit.config import compiler

#: What the noise of one step is for; different streams of one step are independent.
VELOCITIES, THERMOSTAT, BAROSTAT, EXCHANGE, DRIFT, RESCALING = range(6)


def normal(state: State, stream: int, columns: int = 3, *, step: Tensor | None = None) -> Tensor:
    """Independent standard normal numbers (n, columns), in the dtype and on the device of the positions.

    By Box and Muller's method from words of 32 bits, which limits them to 6.7. One compiled function makes them on the
    CPU, for single steps and for many at once, so that they are the same to the bit; on a GPU they agree to 1e-12.

    step   (S,) that of the state unless another is given

    >>> from ase.build import molecule
    >>> pair = State.from_atoms([molecule("H2O"), molecule("CH4")], seed=3)
    >>> bool((normal(pair, THERMOSTAT)[3:] == normal(pair[[1]], THERMOSTAT)).all())
    True
    """
    return _normal(state, True, stream, columns, step)


def normal_of_systems(state: State, stream: int, columns: int = 1, *, step: Tensor | None = None) -> Tensor:
    """The same for systems, (S, columns); `normal` of that stream would give the same numbers again."""
    return _normal(state, False, stream, columns, step)


def uniform(state: State, stream: int, count: int) -> Tensor:
    """Independent numbers (count,) between 0 and 1, of the first system's seed and step, for decisions of a batch."""
    place = torch.arange(count, device=state.positions.device)
    step, seed = (values[:1] for values in _on_device(state, state.step))
    return _unit(_words(place, stream, step, seed)[0]).to(state.positions)


def chi_square(state: State, degrees: Tensor, stream: int, *, step: Tensor | None = None) -> Tensor:
    """Sums (S,) of `degrees` (S,) squares of standard normal numbers: at most three for each atom of a system."""
    system = state.system
    number = 3 * system.place[:, None] + torch.arange(3, device=system.place.device)
    used = number < degrees.round().to(number)[system.index][:, None]
    square = normal(state, stream, step=step).square()
    return system.sum_over_atoms(torch.where(used, square, 0.0).sum(1))


def _normal(state: State, of_atoms: bool, stream: int, columns: int, step: Tensor | None) -> Tensor:
    like, system, step = state.positions, state.system, state.step if step is None else step
    if like.device.type == "cpu" and compiler():
        offsets = system.offsets if of_atoms else list(range(system.n_systems + 1))
        return _compiled(offsets, stream, columns, step, state.seed).to(like.dtype)
    step, seed = _on_device(state, step)
    if of_atoms:
        place, step, seed = system.place, step.index_select(0, system.index), seed.index_select(0, system.index)
    else:
        place = torch.zeros_like(step)
    some = [_box_muller(_words(place, stream + STREAMS * k, step, seed)) for k in range(-(-columns // 4))]
    return torch.cat(some, 1)[:, :columns].to(like.dtype)


def _on_device(state: State, step: Tensor) -> tuple[Tensor, Tensor]:
    """Steps and seeds (S,) on the device of the state, without waiting for it if all steps are equal."""
    device, first = state.positions.device, int(step[0])
    equal = bool((step == first).all())
    return torch.full_like(step, first, device=device) if equal else step.to(device), _moved(state.seed, device)


@lru_cache(maxsize=8)
def _moved(seed: Tensor, device: torch.device) -> Tensor:
    """Seeds stay the same tensor during a run."""
    return seed.to(device)


def _compiled(offsets: list[int], stream: int, columns: int, step: Tensor, seed: Tensor) -> Tensor:
    from labkit.engine.noise_kernels import fill_normals  # late: needs numba

    found = torch.empty(offsets[-1], columns, dtype=torch.float64)
    fill_normals(torch.tensor(offsets).numpy(), stream, step.numpy(), seed.numpy(), found.numpy())
    return found


def _words(place: Tensor, stream: int, step: Tensor, seed: Tensor) -> list[Tensor]:
    return philox([place, torch.full_like(place, stream), *halves(step)], halves(seed))


def _unit(word: Tensor) -> Tensor:
    return (word.double() + 0.5) * 2.0**-32


def _box_muller(words: list[Tensor]) -> Tensor:
    """Four normal numbers (n, 4) of four words; `noise_kernels` does the same."""
    found = []
    for a, b in (words[:2], words[2:]):
        r = (-2.0 * _unit(a).log()).sqrt()
        quarter, rest = b >> 30, (b & 0x3FFFFFFF).double()
        angle = (quarter + (rest + 0.5) * 2.0**-30 - 0.5) * (0.5 * math.pi)
        found += [r * angle.cos(), r * angle.sin()]
    return torch.stack(found, 1)
