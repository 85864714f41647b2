"""Noise depends on (seed, step, stream) alone, and no two of them share it."""

import torch
from ase.build import molecule

from labkit.base import State
from labkit.engine import noise


def test_function_of_seed_step_and_stream() -> None:
    state = State.from_atoms(molecule("H2O"), seed=5)
    a = noise.normal(state, 1, 4)
    torch.rand(3)
    assert torch.equal(a, noise.normal(state, 1, 4))
    others = [(state.replace(seed=6), 1), (state.replace(step=1), 1), (state, 2), (state.replace(seed=5 + 2**32), 1)]
    for other, stream in others:
        assert not torch.equal(a, noise.normal(other, stream, 4))


def test_no_two_steps_share_a_seed_of_32_bits() -> None:
    low = {noise._seed(3, step, stream) & 0xFFFFFFFF for step in range(50_000) for stream in range(4)}
    assert len(low) == 200_000


def test_normal_and_uncorrelated_between_steps() -> None:
    state = State.from_atoms(molecule("H2O"), seed=1)
    draws = torch.stack([noise.normal(state.replace(step=s), 1, 30) for s in range(3000)])
    assert abs(float(draws.mean())) < 0.015 and abs(float(draws.var()) - 1) < 0.02
    assert abs(float((draws[1:] * draws[:-1]).mean())) < 0.015
    assert abs(float((draws[:, 1:] * draws[:, :-1]).mean())) < 0.015
