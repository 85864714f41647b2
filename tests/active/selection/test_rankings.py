"""Rules that rank by the uncertainty: closed forms, where entropy and variance differ, mixed limits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from labkit.active.selection import (
    CommitteeDisagreement,
    Entropy,
    FarthestPoint,
    MaximumDiscrepancy,
    MaximumVariance,
    Mixed,
    Pool,
    Within,
)
from labkit.active.selection.entropy import mixture_entropy
from labkit.errors import LabkitError

seeds = st.integers(0, 10**6)


def pool(frames: int = 1, **fields: object) -> Pool:
    return Pool(n_atoms=np.full(frames, 3), **fields)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_variance_and_disagreement_take_the_largest(seed: int) -> None:
    random = np.random.default_rng(seed)
    members = random.normal(size=(5, 20))
    assert MaximumVariance().choose(pool(20, spread=members[0] ** 2, unit=""), 7).indices.tolist() == (
        np.argsort(-(members[0] ** 2))[:7].tolist()
    )
    by_hand = np.argsort(-np.std(members, axis=0, ddof=1))[:7]
    assert CommitteeDisagreement().choose(pool(20, members=members), 7).indices.tolist() == by_hand.tolist()


def test_energies_are_compared_per_atom() -> None:
    large_and_small = Pool(n_atoms=[30, 3], spread=[0.3, 0.2], unit="eV")
    assert MaximumVariance().choose(large_and_small, 1).indices.tolist() == [1]
    assert MaximumVariance(per_atom=False).choose(large_and_small, 1).indices.tolist() == [0]
    forces = Pool(n_atoms=[30, 3], spread=[0.3, 0.2], unit="eV/Å")
    assert MaximumVariance().choose(forces, 1).indices.tolist() == [0]


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(2, 5))
def test_discrepancy_by_hand(seed: int, members: int) -> None:
    random = np.random.default_rng(seed)
    counts = random.integers(1, 5, 8)
    forces = [random.normal(size=(members, n, 3)) for n in counts]
    largest = [max(np.linalg.norm(a - b, axis=1).max() for a in x for b in x) for x in forces]
    found = MaximumDiscrepancy().choose(Pool(n_atoms=counts, member_forces=forces), 3)
    assert found.indices.tolist() == np.argsort(-np.array(largest))[:3].tolist()


def test_one_odd_member_tells_discrepancy_from_deviation() -> None:
    """Ten members, of which one differs by 3, against two groups that differ by 2."""
    odd, groups = np.zeros((10, 1, 3)), np.zeros((10, 1, 3))
    odd[0, 0, 0], groups[:5, 0, 0] = 3.0, 2.0
    deviations = [x[:, 0, 0].std(ddof=1) for x in (odd, groups)]
    assert deviations[1] > deviations[0]
    assert MaximumDiscrepancy().choose(Pool(n_atoms=[1, 1], member_forces=[odd, groups]), 1).indices.tolist() == [0]


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.floats(0.05, 20.0), seeds)
def test_entropy_of_a_mixture_against_quadrature(members: int, apart: float, seed: int) -> None:
    means = np.random.default_rng(seed).normal(size=members) * apart

    def density(x: float) -> float:
        return float(norm.pdf(x, means, 0.5).mean())

    knots = np.concatenate([means - 4, means + 4, means])
    by_hand = 0.0
    for low, high in zip(np.sort(knots)[:-1], np.sort(knots)[1:]):
        by_hand -= quad(lambda x: density(x) * math.log(density(x) + 1e-300), low, high, epsabs=1e-10)[0]
    assert mixture_entropy(means[:, None], np.array([0.5]))[0] == pytest.approx(by_hand, abs=2e-3)


def test_entropy_of_one_gaussian() -> None:
    sigma = np.array([1e-4, 0.3, 2.0])
    found = mixture_entropy(np.ones((1, 3)), sigma)
    np.testing.assert_allclose(found, 0.5 * np.log(2 * np.pi * np.e * sigma**2), rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(2, 12))
def test_for_one_gaussian_output_the_orders_are_equal(seed: int, members: int) -> None:
    """Predictions m + σ z with the same z: the shape is that of one distribution, and only σ differs."""
    random = np.random.default_rng(seed)
    shape = norm.ppf((np.arange(members) + 0.5) / members)
    values = random.normal(size=20) + np.exp(random.normal(size=20)) * shape[:, None]
    orders = [rule.choose(pool(20, members=values), 20).indices for rule in (Entropy(), CommitteeDisagreement())]
    assert orders[0].tolist() == orders[1].tolist()
    wide = Entropy(width=0.5).scores(pool(20, members=values))[0]
    assert (np.diff(wide[orders[1]]) < 2e-3).all()  # as exact as the quadrature is


@pytest.mark.parametrize("width", [None, 0.02])
def test_where_entropy_and_variance_differ(width: float | None) -> None:
    """Two groups of members that agree among themselves have the larger variance, but two values only."""
    groups = np.repeat([-1.0, 1.0], 6) + 0.01 * np.tile([-1, 0, 1], 4)
    even = np.linspace(-1.5, 1.5, 12)
    both = pool(2, members=np.stack([groups, even], axis=1))
    assert groups.std() > even.std()
    assert CommitteeDisagreement().choose(both, 1).indices.tolist() == [0]
    assert Entropy(width=width or 0.1).choose(both, 1).indices.tolist() == [1]


def test_groups_that_move_apart_gain_variance_but_no_entropy() -> None:
    distance = np.array([1.0, 10.0, 100.0])
    found = mixture_entropy(np.stack([-distance, distance]), np.full(3, 0.1))
    np.testing.assert_allclose(found, 0.5 * np.log(2 * np.pi * np.e * 0.01) + np.log(2), rtol=1e-6)


@pytest.mark.parametrize("rule", [CommitteeDisagreement(), Entropy(), Entropy(width=0.1)])
def test_a_committee_of_one_or_of_equals(rule: CommitteeDisagreement | Entropy) -> None:
    with pytest.raises(LabkitError, match="the committee has 1 member, whose spread is not defined; give at least two"):
        rule.choose(pool(2, members=[[0.1, 0.2]]), 1)
    name = type(rule).__name__
    with pytest.raises(
        LabkitError, match=rf"{name}: .* of all 2 frames \(frame 0, frame 1\) is .*take frames at random"
    ):
        rule.choose(pool(2, members=[[-1.1, 0.3]] * 3), 1)
    found = rule.choose(pool(2, members=[[0.1, 0.2], [0.1, 0.3]]), 2)
    assert found.indices.tolist() == [1, 0]


def test_forces_of_a_committee_of_one_or_of_equals() -> None:
    with pytest.raises(LabkitError, match="the committee has 1 member"):
        MaximumDiscrepancy().choose(pool(1, member_forces=[np.zeros((1, 3, 3))]), 1)
    with pytest.raises(LabkitError, match=r"force difference of all 1 frames \(frame 0\) is 0"):
        MaximumDiscrepancy().choose(pool(1, member_forces=[np.ones((4, 3, 3))]), 1)


@pytest.mark.parametrize("rule", [MaximumVariance(), Mixed()])
def test_spreads_that_are_all_zero_or_nan(rule: MaximumVariance | Mixed) -> None:
    fields = dict(features=np.eye(3), names=["a", "b", "c"])
    with pytest.raises(LabkitError, match=r"spread of all 3 frames \(a, b, c\) is 0"):
        rule.choose(pool(3, spread=[0.0, 0.0, 0.0], **fields), 1)
    with pytest.raises(LabkitError, match=r"spread is not finite for any of 3 frames \(a, b, c\)"):
        rule.choose(pool(3, spread=[np.nan] * 3, **fields), 1)
    with pytest.raises(LabkitError, match=r"spread of all 2 frames \(a, c\) is 0"):
        rule.choose(pool(3, spread=[0.0, np.nan, 0.0], **fields), 1)
    none = Within(rule, high=1.0).choose(pool(3, spread=[np.nan] * 3, **fields), 1)
    assert len(none) == 0 and none.note == "1 frames were requested, 0 of the 3 in the pool may be taken"


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(0, 3))
def test_mixed_limits(seed: int, known: int) -> None:
    random = np.random.default_rng(seed)
    some = pool(
        15, spread=random.random(15), features=random.normal(size=(15, 3)), known=random.normal(size=(known, 3))
    )
    assert Mixed(0.7, 0.0).choose(some, 9).indices.tolist() == MaximumVariance().choose(some, 9).indices.tolist()
    assert Mixed(0.0, 0.7).choose(some, 9).indices.tolist() == FarthestPoint().choose(some, 9).indices.tolist()


def test_mixed_by_hand() -> None:
    """Known at 0: D = 1/4, 1, 3/4 and U = 1, 1/4, 1/2 at first; the second is taken, and then D = 1/4, 0, 1/4."""
    some = pool(3, spread=[0.8, 0.2, 0.4], features=[[1.0], [4.0], [3.0]], known=[[0.0]])
    choice = Mixed(1.0, 2.0).choose(some, 2)
    assert choice.indices.tolist() == [1, 0]
    assert choice.reasons == (
        "taken: Q = 1·1 + 2·0.25 = 1.5",
        "taken: Q = 1·0.25 + 2·1 = 2.25",
        "not taken: Q = 1·0.5 + 2·0.25 = 1, the last one taken had 1.5",
    )


@pytest.mark.parametrize("weights", [(0.0, 0.0), (-1.0, 1.0), (math.nan, 1.0), (1.0, math.inf)])
def test_weights_in_words(weights: tuple[float, float]) -> None:
    with pytest.raises(LabkitError, match="expected two numbers ≥ 0, not both 0"):
        Mixed(*weights)


def test_width_and_bounds_in_words() -> None:
    with pytest.raises(LabkitError, match="width is -0.1; expected a positive number"):
        Entropy(width=-0.1)
    with pytest.raises(LabkitError, match="the lower bound 2 is above the upper bound 1; swap them"):
        Within(MaximumVariance(), 2, 1)
    with pytest.raises(LabkitError, match="the bounds are None and nan"):
        Within(MaximumVariance(), high=math.nan)
