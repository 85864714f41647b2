"""Splits keep every frame once, keep groups together, and what leaks is counted."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labkit
from labkit.datasets import DatasetWarning
from labkit.datasets.split import beside, leak, split_rows
from labkit.errors import LabkitError


def frames(groups: list[int], named: bool = True) -> labkit.Dataset:
    """Pairs of atoms, with the trajectory of each frame if `named`."""
    n = len(groups)
    positions = np.arange(6.0 * n).reshape(n, 2, 3)
    info = {"trajectory": np.array(groups)} if named else None
    return labkit.Dataset.from_arrays(positions, [1, 1], energy=np.arange(n, dtype=float), info=info, name="pairs")


@given(st.lists(st.integers(0, 4), min_size=2, max_size=40), st.floats(0.05, 0.9), st.integers(0, 5))
def test_every_frame_is_in_one_set(groups: list[int], valid: float, seed: int) -> None:
    ds = frames(sorted(groups))
    ways = ["", "blocks", "random", *(["trajectory"] if len(set(groups)) > 1 else [])]
    for by in ways:
        found = split_rows(ds, valid, by, seed)
        assert sorted([*found.train, *found.valid]) == list(range(len(ds)))
        assert len(found.train) and len(found.valid)
        if by in ("blocks", "random"):
            assert len(found.valid) == min(max(round(valid * len(ds)), 1), len(ds) - 1)
        if found.group:
            inside = [{ds.info[int(k)]["trajectory"] for k in rows} for rows in (found.train, found.valid)]
            assert not inside[0] & inside[1] and beside(ds, found) == 0


def test_what_leaks_is_counted() -> None:
    ds = frames([0] * 50, named=False)
    blocks, random = (split_rows(ds, 0.2, by, 0) for by in ("blocks", "random"))
    assert np.diff(blocks.valid).tolist() == [1, 1, 1, 1, 21, 1, 1, 1, 1]  # two blocks of five
    assert beside(ds, blocks) == 3 and "3 of 10 validation frames come right before" in leak(ds, blocks)
    by_hand = sum(bool({k - 1, k + 1} & set(random.train.tolist())) for k in random.valid.tolist())
    assert beside(ds, random) == by_hand > 5 and f"{by_hand} of 10" in leak(ds, random)
    grouped = frames([0] * 25 + [1] * 25)
    assert "split by trajectory" in leak(grouped, split_rows(grouped, 0.2, "random", 0))
    assert "nothing leaks" in leak(grouped, split_rows(grouped, 0.2, "", 0))


def test_a_random_split_of_a_run_warns_and_one_by_groups_does_not() -> None:
    with pytest.warns(DatasetWarning, match="come right before or after a training frame"):
        frames([0] * 30, named=False).split(0.2, by="random")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DatasetWarning)
        train, valid = labkit.datasets.ice("valid").split()
    assert not {x["trajectory"] for x in train.info} & {x["trajectory"] for x in valid.info}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"valid": 0.0}, "valid is 0.0; expected the part"),
        ({"valid": 1.5}, "valid is 1.5"),
        ({"by": "trajektory"}, "frame 0 has no such info.*did you mean 'trajectory'"),
    ],
)
def test_splits_that_are_none(options, sentence) -> None:
    with pytest.raises(LabkitError, match=sentence):
        frames([0, 0, 1, 1]).split(**options)
    with pytest.raises(LabkitError, match="all frames have the same trajectory"):
        frames([0, 0, 0]).split(by="trajectory")
    with pytest.raises(LabkitError, match="1 frame cannot be split"):
        frames([0]).split()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_source_of_a_selection_gives_it_again(data: st.DataObject) -> None:
    whole = labkit.datasets.ice("valid", n=12)
    found = whole
    for _ in range(2):
        n = len(found)
        index = st.integers(-n, n - 1)
        some = st.one_of(
            st.lists(index, min_size=1, max_size=6),
            st.slices(n).filter(lambda x, n=n: len(range(n)[x])),
            st.lists(st.booleans(), min_size=n, max_size=n).filter(any).map(np.array),
        )
        found = found[data.draw(some)]
    source = found.source.replace('labkit.datasets.ice("valid", n=12)', "whole")
    exec(f"again = {source}", space := {"whole": whole})
    assert space["again"].hash == found.hash
    assert replace(found, energy=found.energy + 1).source == ""
