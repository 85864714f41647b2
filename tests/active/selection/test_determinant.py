"""D-optimal rules against brute force on small sets, and maxvol's property."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.active.selection import FarthestPoint, GreedyDeterminant, MaximumVolume, NewEnvironments, Pool
from labkit.active.selection.greedy_determinant import greedy_determinant
from labkit.active.selection.maximum_volume import maximum_volume, principal
from labkit.errors import LabkitError


def gain(rows: np.ndarray, before: np.ndarray) -> float:
    """What rows add to ln det A, A given."""
    return np.linalg.slogdet(before + rows.T @ rows)[1] - np.linalg.slogdet(before)[1]


def prior(pool: Pool, ridge: float) -> np.ndarray:
    start = ridge * np.mean(pool.features**2) * np.eye(pool.features.shape[1])
    return start if pool.known is None else start + pool.known.T @ pool.known


def small_pool(seed: int, width: int, known: int) -> Pool:
    random = np.random.default_rng(seed)
    features = random.normal(size=(9, width)) * np.exp(-np.arange(width))
    return Pool(n_atoms=[3] * 9, features=features, known=random.normal(size=(known, width)) if known else None)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 8), st.sampled_from([1e-6, 1e-2, 1.0]))
def test_each_choice_adds_most_and_the_batch_is_near_the_best(seed: int, width: int, known: int, ridge: float) -> None:
    pool = small_pool(seed, width, known)
    before = prior(pool, ridge)
    choice = GreedyDeterminant(ridge).choose(pool, 4)
    for k, j in enumerate(choice.indices):
        taken = choice.indices[:k]
        by_hand = [gain(pool.features[[*taken, i]], before) if i not in taken else -np.inf for i in range(9)]
        assert by_hand[j] == pytest.approx(max(by_hand), rel=1e-6, abs=1e-6)
    best = max(gain(pool.features[list(some)], before) for some in combinations(range(9), 4))
    found = gain(pool.features[choice.indices], before)
    assert (1 - 1 / np.e) * best - 1e-9 <= found <= best + 1e-6


def test_the_reported_gains_are_those_of_the_determinant() -> None:
    rows = np.random.default_rng(0).normal(size=(30, 5))
    order, gains, left = greedy_determinant(rows, 8)
    assert gains.sum() == pytest.approx(gain(rows[order], np.eye(5)), rel=1e-10)
    inverse = np.linalg.inv(np.eye(5) + rows[order].T @ rows[order])
    np.testing.assert_allclose(left, np.einsum("pd,de,pe->p", rows, inverse, rows), rtol=1e-9)
    more = greedy_determinant(rows, 3, taken=order[:5])
    assert more[0].tolist() == order[5:].tolist()
    np.testing.assert_allclose(more[1], gains[5:], rtol=1e-9)


def test_known_frames_are_not_asked_for_again() -> None:
    """Along the first axis much is known; without that knowledge the longest vector is chosen."""
    features = [[2.0, 0.0], [0.0, 1.0], [0.1, 0.1]]
    for rule in (GreedyDeterminant(), MaximumVolume()):
        for known, first in ((None, 0), (np.array([[5.0, 0.0], [4.0, 0.0]]), 1)):
            assert rule.choose(Pool(n_atoms=[1] * 3, features=features, known=known), 1).indices[0] == first


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.sampled_from([1e-3, 0.01, 0.1, 1.0]))
def test_all_frames_are_combinations_with_small_coefficients(seed: int, size: int, tolerance: float) -> None:
    rows = np.random.default_rng(seed).standard_t(2, size=(60, size))
    order, coefficients = maximum_volume(rows, tolerance)
    assert len(set(order)) == size
    by_hand = np.linalg.solve(rows[order].T, rows.T).T
    np.testing.assert_allclose(coefficients, by_hand, rtol=1e-6, atol=1e-8)
    assert np.abs(by_hand).max() <= 1 + tolerance + 1e-8


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.booleans())
def test_volume_is_near_the_largest(seed: int, size: int, aware: bool) -> None:
    """Hadamard's bound of a matrix of coefficients below 1 + t: the best volume is at most ((1 + t) √r)^r as large."""
    pool = small_pool(seed, 5, 6 if aware else 0)
    choice = MaximumVolume(tolerance=0.01).choose(pool, size)
    whitened = np.linalg.solve(np.linalg.cholesky(prior(pool, 1e-6)), pool.features.T).T
    reduced = principal(whitened, size)
    volume = {some: abs(np.linalg.det(reduced[list(some)])) for some in combinations(range(9), size)}
    found = volume[tuple(sorted(choice.indices.tolist()))]
    assert found >= max(volume.values()) / (1.01 * size**0.5) ** size * (1 - 1e-9)
    for j in range(size):  # no single exchange enlarges it
        for i in set(range(9)) - set(choice.indices.tolist()):
            other = tuple(sorted({*choice.indices.tolist()} - {int(choice.indices[j])} | {i}))
            assert volume[other] <= found * 1.01 * (1 + 1e-6)


def test_more_frames_than_dimensions() -> None:
    pool = small_pool(3, 2, 0)
    choice = MaximumVolume().choose(pool, 5)
    assert len(set(choice.indices.tolist())) == 5
    assert "when the volume has all 2 dimensions" in choice.reasons[choice.indices[4]]
    assert (
        "combination of the taken ones with coefficients up to" in choice.reasons[min({*range(9)} - {*choice.indices})]
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 3))
def test_environments_against_brute_force(seed: int, known: int) -> None:
    random = np.random.default_rng(seed)
    counts, kinds = random.integers(1, 4, 6), (1, 8)
    atoms, species = [random.normal(size=(n, 3)) for n in counts], [random.choice(kinds, n) for n in counts]
    older, elder = random.normal(size=(2 * known, 3)), random.choice(kinds, 2 * known)
    extra = dict(known_atoms=older, known_species=elder) if known else {}
    pool = Pool(n_atoms=counts, atom_features=atoms, species=species, **extra)
    choice = NewEnvironments(ridge=0.01).choose(pool, 3)

    def total(frames: list[int]) -> float:
        found = 0.0
        for kind in set(np.concatenate(species).tolist()):
            mine = np.concatenate([a[s == kind] for a, s in zip(atoms, species)])
            before = 0.01 * np.mean(mine**2) * np.eye(3) + older[elder == kind].T @ older[elder == kind]
            found += gain(np.concatenate([atoms[k][species[k] == kind] for k in frames]), before)
        return found

    for k, j in enumerate(choice.indices):
        taken = choice.indices[:k].tolist()
        by_hand = {i: total([*taken, i]) for i in range(6) if i not in taken}
        assert by_hand[int(j)] == pytest.approx(max(by_hand.values()), rel=1e-8)


def test_one_odd_atom_is_found_among_many() -> None:
    """The mean over its frame hardly moves; another frame moves all of its atoms a little, along what is known."""
    usual = np.tile([1.0, 0.0, 0.0], (50, 1))
    odd, moved = usual.copy(), usual * 1.2
    odd[17] = [0.0, 0.4, 0.0]
    atoms, species = [usual, odd, moved], [np.full(50, 14)] * 3
    known = dict(known=[[1.0, 0.0, 0.0]], known_atoms=usual, known_species=species[0])
    means = [x.mean(axis=0) for x in atoms]
    pool = Pool(n_atoms=[50] * 3, features=means, atom_features=atoms, species=species, **known)
    assert FarthestPoint().choose(pool, 1).indices.tolist() == [2]
    for by in ("determinant", "distance"):
        assert NewEnvironments(by=by).choose(pool, 1).indices.tolist() == [1]


def test_species_are_compared_with_their_own() -> None:
    """An oxygen where hydrogen has been seen is new."""
    atoms = [np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])]
    known = dict(known_atoms=atoms[0], known_species=np.array([1, 8]))
    pool = Pool(n_atoms=[2, 2], atom_features=atoms, species=[np.array([1, 8])] * 2, **known)
    for by in ("determinant", "distance"):
        assert NewEnvironments(by=by).choose(pool, 1).indices.tolist() == [1]


def test_settings_in_words() -> None:
    with pytest.raises(LabkitError, match="GreedyDeterminant: ridge is 0"):
        GreedyDeterminant(0.0)
    with pytest.raises(LabkitError, match="MaximumVolume: tolerance is -1"):
        MaximumVolume(tolerance=-1)
    with pytest.raises(LabkitError, match="by is 'size'; expected 'determinant' or 'distance'"):
        NewEnvironments(by="size")
    for rule in (GreedyDeterminant(), MaximumVolume()):
        with pytest.raises(LabkitError, match="the vectors of all 2 frames are 0"):
            rule.choose(Pool(n_atoms=[1, 1], features=np.zeros((2, 3))), 1)
