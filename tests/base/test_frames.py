"""Batches hold everything once, in order, and no more than asked for; unknown species are named."""

import pytest
from ase.build import molecule
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.frames import batches, check_species
from labkit.errors import LabkitError


@given(st.lists(st.integers(0, 20)), st.integers(1, 30))
def test_batches(sizes, most):
    found = batches(sizes, most)
    assert [k for batch in found for k in batch] == list(range(len(sizes)))
    for batch, after in zip(found, [*found[1:], [None]]):
        total = sum(sizes[k] for k in batch)
        assert batch and (total <= most or len(batch) == 1)
        assert after == [None] or total + sizes[after[0]] > most  # not more batches than are needed in this order


def test_unknown_species_are_named():
    frames = [molecule("H2O"), molecule("CH4")]
    check_species(frames, [1, 6, 8])
    with pytest.raises(LabkitError, match=r"^valid, frame 1, atom 0: C is unknown .* has seen H, O; train with"):
        check_species(frames, [1, 8], "valid")
    with pytest.raises(LabkitError, match=r"^frame 0, atom 0: O"):
        check_species(frames, [1, 6])
