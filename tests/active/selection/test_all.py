"""What holds for every rule, alone and wrapped: numbers, order, seeds, bounds, reasons, bad input."""

import numpy as np
import pytest
from active.selection.pools import HIGH, LOW, RULES, WRAPPED, random_pool, with_nan, without
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.active.selection import SELECTIONS, Pool, Selection, Unlike, Within
from labkit.active.selection.pool import SOURCES
from labkit.errors import LabkitError

EVERY = RULES | WRAPPED
#: these follow the order of the pool or the seed, not only what the frames are
ORDERED = ("random", "plain dynamics")

pools = st.builds(
    random_pool, st.integers(1, 25), st.integers(0, 10**6), width=st.integers(1, 6), known=st.integers(0, 4)
)


def allowed(rule: Selection, pool: Pool) -> np.ndarray:
    """Frames that a wrapped rule may take, apart from look-alikes."""
    inside = (pool.spread >= LOW) & (pool.spread <= HIGH)
    return np.flatnonzero(inside | ("Within" not in repr(rule)))


def test_every_rule_is_here_and_keeps_the_protocol() -> None:
    assert {type(rule) for rule in RULES.values()} == set(SELECTIONS.values())
    for rule in EVERY.values():
        assert isinstance(rule, Selection) and rule.needs <= set(SOURCES)


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=8, deadline=None)
@given(pool=pools, n=st.integers(1, 30), seed=st.integers(0, 10))
def test_number_seed_and_reasons(name: str, pool: Pool, n: int, seed: int) -> None:
    rule = EVERY[name]
    choice = rule.choose(pool, n, seed=seed)
    may = allowed(rule, pool)
    assert len(set(choice.indices.tolist())) == len(choice) <= n and set(choice.indices) <= set(may)
    if "Unlike" not in repr(rule):
        assert len(choice) == min(n, len(may))
    assert (choice.note == "") == (len(choice) == n)
    assert str(n) in choice.note or not choice.note
    assert len(choice.reasons) == len(pool)
    for k, reason in enumerate(choice.reasons):
        assert reason.startswith("taken: ") == (k in choice.indices)
        assert (
            reason.startswith(("taken: ", "not taken: ", "refused: ")) and "nan" not in reason and "inf" not in reason
        )
    again = rule.choose(pool, n, seed=seed)
    assert again.indices.tolist() == choice.indices.tolist() and again.reasons == choice.reasons


@pytest.mark.parametrize("name", [name for name in EVERY if not name.endswith(ORDERED)])
@settings(max_examples=8, deadline=None)
@given(pool=pools, n=st.integers(1, 30), seed=st.integers(0, 10))
def test_the_order_of_the_pool_does_not_matter(name: str, pool: Pool, n: int, seed: int) -> None:
    shuffle = np.random.default_rng(seed).permutation(len(pool))
    choice, other = EVERY[name].choose(pool, n), EVERY[name].choose(pool.take(shuffle), n)
    assert sorted(shuffle[other.indices]) == sorted(choice.indices)


@pytest.mark.parametrize("name", [name for name in EVERY if "within" in name])
@settings(max_examples=6, deadline=None)
@given(pool=pools, n=st.integers(1, 30), high=st.floats(0.21, 2.0), bad=st.sampled_from([np.nan, np.inf, 5.0]))
def test_exploded_frames_are_never_taken(name: str, pool: Pool, n: int, high: float, bad: float) -> None:
    spread = pool.spread.copy()
    spread[0] = bad
    pool = Pool(**{**vars(pool), "spread": spread})
    choice = EVERY[name].choose(pool, n)
    assert 0 not in choice.indices and (choice.reasons[0].endswith("has exploded") or "looks like" in choice.reasons[0])
    assert (spread[choice.indices] <= HIGH).all()
    inner = RULES[name.split(", ", 1)[1]]
    assert set(Within(inner, high=high).choose(pool, n).indices) <= set(np.flatnonzero(spread <= high))


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=8, deadline=None)
@given(pool=pools, n=st.integers(1, 30), distance=st.floats(0.0, 1.5), copies=st.integers(0, 5))
def test_no_look_alikes(name: str, pool: Pool, n: int, distance: float, copies: int) -> None:
    pool = pool.take(np.concatenate([np.arange(len(pool)), np.arange(min(copies, len(pool)))]))
    choice = Unlike(RULES[name], distance).choose(pool, n)
    chosen = pool.features[choice.indices]
    others = chosen if pool.known is None else np.concatenate([chosen, pool.known])
    apart = np.linalg.norm(chosen[:, None] - others[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (apart > distance).all()
    if len(choice) < n:  # nothing else could have been taken
        rest = np.linalg.norm(pool.features[:, None] - others[None], axis=2).min(axis=1)
        assert (rest <= distance).all()


@pytest.mark.parametrize("name", EVERY)
def test_a_batch_larger_than_the_pool(name: str) -> None:
    rule = EVERY[name]
    pool = random_pool(6, 3)
    choice = rule.choose(pool, 10)
    assert "10 frames were requested" in choice.note and "6" in choice.note
    if name in RULES:
        assert sorted(choice.indices) == list(range(6)) and choice.note.endswith("all are taken")
    empty = rule.choose(random_pool(0, 0), 3)
    assert len(empty) == 0 and empty.reasons == () and "the pool has 0" in empty.note


@pytest.mark.parametrize("name", EVERY)
def test_a_missing_field_is_named(name: str) -> None:
    rule, pool = EVERY[name], random_pool(5, 0)
    for field in rule.needs:
        with pytest.raises(LabkitError, match=rf"needs {field}, which this pool does not have; give Pool.of a"):
            rule.choose(without(pool, field), 2)
    for field in set(SOURCES) - rule.needs:
        assert len(rule.choose(without(pool, field), 2)) <= 2


@pytest.mark.parametrize("name", RULES)
def test_values_that_are_not_finite(name: str) -> None:
    rule, pool = RULES[name], random_pool(7, 1)
    for field in rule.needs - {"species"}:
        choice = rule.choose(with_nan(pool, field, [2, 5]), 7)
        assert sorted(choice.indices) == [0, 1, 3, 4, 6]
        assert choice.reasons[2] == choice.reasons[5] == f"refused: {field} is not finite"
        assert choice.note == "7 frames were requested, 5 of the 7 in the pool may be taken"
        with pytest.raises(
            LabkitError, match=rf"{field} is not finite for any of 7 frames \(frame 0, frame 1, .*2 more"
        ):
            rule.choose(with_nan(pool, field, list(range(7))), 2)


@pytest.mark.parametrize("name", EVERY)
def test_copies_are_different_frames(name: str) -> None:
    """Of equal frames a rule takes several if it must, but none twice; `Unlike` takes one."""
    pool = random_pool(1, 5).take(np.zeros(6, int))
    if "within" in name:
        pool = Pool(**{**vars(pool), "spread": np.full(6, 0.5)})
    choice = EVERY[name].choose(pool, 4)
    assert len(choice) == (1 if "unlike" in name else 4)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("n", [0, -1, 2.5, True])
def test_a_number_of_frames_that_is_none(name: str, n: object) -> None:
    with pytest.raises(LabkitError, match="expected a positive whole number"):
        EVERY[name].choose(random_pool(3, 0), n)
