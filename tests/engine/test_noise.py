"""Noise is a function of (seed, step, stream, atom of its system): the same alone, in a batch and on every path."""

import numpy as np
import pytest
import torch
from ase.build import molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from labkit.base import State, seeds_for
from labkit.base.philox import philox
from labkit.engine import noise
from labkit.engine.noise_kernels import fill_normals, thermalise, words
from labkit.errors import LabkitError

WHOLE = st.integers(-(2**63), 2**63 - 1)


def several(seed: int = 5) -> State:
    return State.from_atoms([molecule(name) for name in ("H2O", "CH3CH2OH", "H2O", "C6H6")], seed=seed)


#: the reference values of Random123 (Salmon et al. 2011), philox4x32 with 10 rounds
KNOWN = [
    ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_is_the_published_one(counter, key, expected) -> None:
    found = philox(*([torch.tensor([word]) for word in words_] for words_ in (counter, key)))
    assert " ".join(f"{int(word):08x}" for word in found) == expected


@given(place=st.integers(0, 2**31), stream=st.integers(0, 40), step=st.integers(0, 2**62), seed=WHOLE)
@settings(max_examples=50, deadline=None)
def test_compiled_words_are_those_of_torch(place, stream, step, seed) -> None:
    out = np.zeros((4, 3), np.uint64)
    words(place, 3, stream, step, seed, out)
    found = noise._words(torch.arange(3) + place, stream, torch.full((3,), step), torch.full((3,), seed))
    np.testing.assert_array_equal(out.astype(np.int64), torch.stack(found).numpy())


@given(stream=st.integers(0, 7), step=st.integers(0, 2**40), seed=WHOLE, columns=st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_normals_without_the_compiler_agree(stream, step, seed, columns) -> None:
    """The path of a GPU, on the CPU."""
    state = several(seed).replace(step=step)
    made = noise.normal(state, stream, columns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noise, "compiler", lambda: False)
        assert torch.allclose(noise.normal(state, stream, columns), made, rtol=0, atol=1e-12)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True), st.integers(0, 5), st.integers(0, 2**40))
@settings(max_examples=30, deadline=None)
def test_companions_do_not_matter(which, stream, step) -> None:
    state = several().replace(step=torch.tensor([step, 3, step + 7, 0]))
    part = state[which]
    for make in (noise.normal, noise.normal_of_systems):
        whole, own = make(state, stream), make(part, stream)
        place = state.system.atoms_of(torch.tensor(which)) if make is noise.normal else torch.tensor(which)
        assert own.equal(whole[place])
    degrees = torch.tensor([4.0, 20.0, 7.0, 36.0])
    assert noise.chi_square(part, degrees[which], stream).equal(noise.chi_square(state, degrees, stream)[which])


def test_one_step_and_many_at_once_see_the_same() -> None:
    state = several()
    n, offsets = state.system.n_atoms, np.array(state.system.offsets)
    for done in range(3):
        v = np.zeros((n, 3))
        ones = np.ones(n)
        thermalise(v, ones, ones, offsets, noise.THERMOSTAT, state.step.numpy(), state.seed.numpy(), done)
        assert torch.from_numpy(v).equal(noise.normal(state, noise.THERMOSTAT, step=state.step + done))


def test_function_of_seed_step_and_stream() -> None:
    state = several()
    a = noise.normal(state, 1)
    torch.rand(3)
    assert a.equal(noise.normal(state, 1))
    others = [(state.replace(seed=6), 1), (state.replace(step=1), 1), (state, 2), (state.replace(seed=5 + 2**32), 1)]
    for other, stream in others:
        assert not (a == noise.normal(other, stream)).any()


def test_further_columns_are_no_repetitions() -> None:
    state = several()
    seen = torch.cat([noise.normal(state, stream, 30) for stream in range(8)], 1)
    assert len(seen.unique()) == seen.numel()


def test_normal_and_uncorrelated() -> None:
    out = np.empty((400_000, 4))
    fill_normals(np.array([0, len(out)]), 1, np.array([7]), np.array([11]), out)
    for column in out.T:
        assert stats.kstest(column, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(out.T) - np.eye(4)).max() < 6 / len(out) ** 0.5
    assert abs((out[1:] * out[:-1]).mean()) < 3 / len(out) ** 0.5  # of successive atoms
    state = State.from_atoms(molecule("H2O"), seed=1)
    draws = torch.stack([noise.normal(state.replace(step=s), 1, 30).flatten() for s in range(3000)])
    assert abs(float((draws[1:] * draws[:-1]).mean())) < 0.01  # of successive steps
    seeds = torch.stack([noise.normal(state.replace(seed=s), 1, 30).flatten() for s in range(3000)])
    assert abs(float((seeds[1:] * seeds[:-1]).mean())) < 0.01


def test_far_tails_have_their_share() -> None:
    """Of 4e6 numbers as many beyond 4.5 as there should be (27 expected)."""
    out = np.empty((1_000_000, 4))
    fill_normals(np.array([0, len(out)]), 1, np.array([7]), np.array([3]), out)
    expected = 2 * stats.norm.sf(4.5) * out.size
    assert stats.poisson.sf(np.sum(np.abs(out) > 4.5) - 1, expected) > 1e-4
    assert stats.poisson.cdf(np.sum(np.abs(out) > 4.5), expected) > 1e-4


def test_chi_square() -> None:
    state = State.from_atoms([molecule("CH4")] * 4000, seed=2)
    found = noise.chi_square(state, torch.full((4000,), 8.0, dtype=torch.float64), noise.THERMOSTAT)
    assert stats.kstest(found.numpy(), "chi2", args=(8,)).pvalue > 1e-4


def test_uniform_numbers_of_a_batch() -> None:
    found = noise.uniform(several(), noise.EXCHANGE, 10_000)
    assert stats.kstest(found.numpy(), "uniform").pvalue > 1e-4


def test_seeds_of_many_systems() -> None:
    seeds = seeds_for(100_000, 3)
    assert seeds[0] == 3 and len(seeds.unique()) == 100_000 and bool((seeds >= 0).all())
    assert seeds_for(10, 3).equal(seeds[:10]) and not set(seeds_for(10, 4).tolist()) & set(seeds.tolist())
    assert seeds_for(2, [5, 6]).tolist() == [5, 6] and seeds_for(2, [5, 5], equal=True).tolist() == [5, 5]
    for given_, said in (([5, 5], "systems 0 and 1 have the same seed, 5"), ([1, 2, 3], "3 seeds were given for 2")):
        with pytest.raises(LabkitError, match=said):
            seeds_for(2, given_)
    for wrong in (2**63, 1.5):
        with pytest.raises(LabkitError, match="expected a whole number"):
            seeds_for(1, [wrong])


def test_streams_are_different_and_leave_room_for_columns_beyond_the_fourth():
    streams = [x for name, x in vars(noise).items() if name.isupper() and isinstance(x, int) and name != "STREAMS"]
    assert sorted(streams) == list(range(len(streams))) and len(streams) <= noise.STREAMS
