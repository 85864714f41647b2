"""What files write as a box where a system has none, and what is a box."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.box import box_given, box_of_lengths, box_or_none
from labkit.errors import LabkitError

ANGLES = st.floats(60, 120)
LENGTHS = st.floats(2, 200)


@given(lengths=st.tuples(LENGTHS, LENGTHS, LENGTHS), angles=st.tuples(ANGLES, ANGLES, ANGLES))
def test_a_box_is_a_box_of_its_lengths_and_angles(lengths, angles):
    cosines = np.cos(np.radians(angles))
    squared = 1 - np.sum(cosines**2) + 2 * np.prod(cosines)
    if squared < 1e-3:
        return  # flat
    box = box_of_lengths(lengths, angles)
    assert np.linalg.norm(box, axis=1) == pytest.approx(lengths)
    for k, (i, j) in enumerate(((1, 2), (0, 2), (0, 1))):
        assert box[i] @ box[j] / lengths[i] / lengths[j] == pytest.approx(cosines[k], abs=1e-9)
    assert abs(np.linalg.det(box)) == pytest.approx(np.prod(lengths) * np.sqrt(squared))
    np.testing.assert_array_equal(box_or_none(box), box)
    np.testing.assert_array_equal(box_given([*lengths, *angles]), box)


@pytest.mark.parametrize("angles", [(90, 90, 90), (0, 0, 0), (60, 90, 120)])
def test_zeros_are_no_box_whatever_the_angles(angles):
    assert box_of_lengths((0, 0, 0), angles) is None
    assert box_or_none(np.zeros((3, 3))) is None and box_or_none(None) is None
    assert box_of_lengths((1, 1, 1), (90, 90, 90)) is None  # of PDB files
    assert box_given(np.eye(3)) is None and box_given([1.0, 1.0, 1.0]) is None
    assert box_of_lengths((1, 1, 1.5), (90, 90, 90)) is not None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: box_or_none(np.diag([20.0, 20.0, 0.0]), "a.gro"), "a.gro: vectors of 20, 20, 0 Å .* no volume"),
        (lambda: box_or_none(np.ones((3, 3)), "a.xsc"), "a.xsc: .* no volume"),
        (lambda: box_or_none(np.full((3, 3), np.nan)), "not finite"),
        (lambda: box_of_lengths((20, 20, 0), (90, 90, 90), "a.pdb"), "a.pdb: lengths of 20, 20, 0 Å .* are no box"),
        (lambda: box_of_lengths((20, 20, 20), (0, 0, 0)), "at angles of 0, 0, 0 degrees"),
        (lambda: box_of_lengths((-20, 20, 20), (90, 90, 90)), "are no box"),
        (lambda: box_given([1, 2]), r"cell is \[1, 2\]; expected vectors \(3, 3\), lengths and angles"),
        (lambda: box_given("big"), "cell is 'big'"),
    ],
)  # fmt: skip
def test_what_is_no_box_is_told(make, words):
    with pytest.raises(LabkitError, match=words):
        make()
