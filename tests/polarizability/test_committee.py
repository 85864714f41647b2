"""Committees of tensor models: around the fit of all frames, calibrated, cheap, differentiable, kept in files."""

import time

import numpy as np
import pytest
import torch
from polarizability.cells import SMALL, design, fitted, ice, moved, waters
from scipy.spatial.transform import Rotation

import labkit.datasets
from labkit.base import State, find_neighbours
from labkit.errors import LabkitError
from labkit.polarizability import TensorCommittee, TensorDesign, noise_map, with_label

NOISE = {0: 1e-6, 2: 1e-4}


def committee(n_sparse: int | None = None, **given) -> TensorCommittee:
    return design(n_sparse=n_sparse).committee(NOISE, train=range(24), **given)


@pytest.mark.parametrize("n_sparse", [None, 12])
def test_it_stands_around_the_model(n_sparse: int | None) -> None:
    frames, _ = ice()
    values, spread, members = committee(n_sparse).predict(frames[24:30])
    np.testing.assert_allclose(values, fitted(n_sparse=n_sparse).predict(frames[24:30]).values, atol=1e-9)
    np.testing.assert_allclose(values, members.mean(0), atol=1e-12)
    np.testing.assert_allclose(spread, members.std(0, ddof=1), atol=1e-12)
    assert members.shape == (8, 6, 3, 3) and spread.min() > 0
    np.testing.assert_array_equal(members, members.swapaxes(2, 3))


@pytest.mark.parametrize("n_sparse", [None, 12])
def test_members_are_fits_to_halves(n_sparse: int | None) -> None:
    """A member's way from the mean is α times that of a fit to its half, which the design makes on its own."""
    made, (frames, _) = design(n_sparse=n_sparse), ice()
    found = committee(n_sparse, members=4, seed=5)
    generator = torch.Generator().manual_seed(5)
    halves = [torch.randperm(24, generator=generator)[:12] for _ in range(4)]
    fits = np.stack([made.solve(NOISE, train=half.numpy()).predict(frames[26:28]).values for half in halves])
    away = made.target.to_spherical(torch.as_tensor(fits - fits.mean(0)).flatten(0, 1))
    scaled = {degree: found.calibration[degree] * part for degree, part in away.items()}
    expected = made.target.to_cartesian(scaled).unflatten(0, (4, 2)).numpy()
    values, _, members = found.predict(frames[26:28])
    np.testing.assert_allclose(members - values, expected, atol=1e-8)


def test_the_spread_is_that_of_the_error() -> None:
    """Calibrated on the training frames alone, and held against frames of other trajectories."""
    frames, n = ice()
    trajectories = [info["trajectory"] for info in frames.info]
    made = TensorDesign.build(frames, n_max=6, l_max=4, n_features=100)
    found = made.committee(NOISE, train=range(n), members=16, groups=trajectories)
    values, spread, _ = found.predict(frames[n:])
    wrong = values - frames.polarizability[n:]
    assert 0.6 < np.sqrt(np.square(wrong).mean() / np.square(spread).mean()) < 1.5
    everyone = made.target.to_spherical(torch.as_tensor(wrong))
    assert set(found.calibration) == set(everyone) and all(alpha > 0 for alpha in found.calibration.values())


def test_members_turn_with_the_frame() -> None:
    turn, (frames, _) = Rotation.random(random_state=3).as_matrix() @ np.diag([1.0, -1.0, 1.0]), ice()
    found = committee()
    here = found.predict(frames.atoms[40:42]).members
    there = found.predict([moved(atoms, turn) for atoms in frames.atoms[40:42]]).members
    np.testing.assert_allclose(there, turn @ here @ turn.T, atol=1e-9)


def test_gradients_of_every_member() -> None:
    found, (frames, _) = committee(members=4), ice()
    state = State.from_atoms(frames.atoms[40:42])
    near = find_neighbours(state.system, state.positions, state.cell, found.cutoff + 0.2)
    positions = state.positions.clone().requires_grad_()
    values = found(state.system, positions, state.cell, near)
    np.testing.assert_allclose(values.detach(), found.predict(frames[40:42]).members, atol=1e-10)
    step = torch.zeros_like(positions)
    step[3, 1] = 1e-4
    with torch.no_grad():
        ends = [found(state.system, state.positions + s, state.cell, near)[:, 0, 0, 1] for s in (step, -step)]
    numeric = (ends[0] - ends[1]) / 2e-4
    for member in range(4):
        (gradient,) = torch.autograd.grad(values[member, 0, 0, 1], positions, retain_graph=True)
        assert float(gradient[3, 1]) == pytest.approx(float(numeric[member]), rel=1e-5, abs=1e-6)


def test_born_charges_of_every_member_sum_to_zero() -> None:
    made = TensorDesign.build(waters(), "born_charges", **{**SMALL, "n_sparse": 20})
    members = made.committee(1e-6, members=5).predict(waters()).members
    assert members.shape == (5, 72, 3, 3)
    np.testing.assert_allclose(members.reshape(5, -1, 3, 3, 3).sum(2), 0, atol=1e-12)


def test_its_spread_is_right_where_that_of_the_posterior_is_not() -> None:
    """With a noise smaller than what a few points can fit, the posterior's scale grows; frames left out know better."""
    train, valid = (with_label(labkit.datasets.ice(name), "born_charges") for name in ("train", "valid"))
    made = TensorDesign.build(train[:30] + valid[:10], "born_charges", **{**SMALL, "n_sparse": 15})
    truth = made.truth(range(30, 40))

    def ratio(noise: float | dict[int, float]) -> list[float]:
        found = [made.solve(noise, range(30)), made.committee(noise, range(30))]
        predictions = [model.predict(valid[:10]) for model in found]
        return [float(np.sqrt(np.square(p.values - truth).mean() / np.square(p.spread).mean())) for p in predictions]

    posterior, members = ratio(noise_map(made, [1e-4, 1e-3, 1e-2, 1e-1], train=range(30)).idxmin().to_dict())
    assert 0.7 < posterior < 1.4 and 0.7 < members < 1.4
    posterior, members = ratio(1e-4)
    assert posterior < 0.4 and 0.7 < members < 1.4


def test_many_members_cost_little_more_than_one_model() -> None:
    """In seconds of the processor, which other work hardly changes; the best of three, in turn."""
    frames, _ = ice()
    found, model = committee(members=8), fitted()

    def cost(work) -> float:
        begun = time.process_time()
        work()
        return time.process_time() - begun

    pairs = [(cost(lambda: found.predict(frames)), cost(lambda: model.predict(frames, spread=False))) for _ in "123"]
    every, one = map(min, zip(*pairs))
    assert every < 3 * one


def test_a_saved_committee_says_the_same(tmp_path) -> None:
    frames, _ = ice()
    found = committee(12)
    found.save(tmp_path / "committee.safetensors")
    again = TensorCommittee.load(tmp_path / "committee.safetensors")
    assert again.metadata == found.metadata and again.settings == found.settings and len(again) == 8
    np.testing.assert_allclose(again.predict(frames[40]).members, found.predict(frames[40]).members, atol=1e-12)
    fitted().save(tmp_path / "model.safetensors")
    with pytest.raises(LabkitError, match="expected 'labkit tensor committee 1'"):
        TensorCommittee.load(tmp_path / "model.safetensors")


def test_the_same_seed_gives_the_same_committee() -> None:
    frames, _ = ice()
    first, again, other = (committee(seed=seed).predict(frames[40]).members for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-6


def test_too_few() -> None:
    with pytest.raises(LabkitError, match="a committee of 3 members from 24 frames"):
        committee(members=3)
    with pytest.raises(LabkitError, match="8 members from 3 frames"):
        design().committee(NOISE, train=range(3))
    with pytest.raises(LabkitError, match="8 members from 1 frames or groups"):
        design().committee(NOISE, groups=[0] * 30)
