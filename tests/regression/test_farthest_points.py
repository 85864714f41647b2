"""Farthest points: known rows, where to begin, copies."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.regression.selection import farthest_points

ROWS = torch.tensor([[0.0], [1.0], [4.0], [10.0]], dtype=torch.float64)


def test_known_rows_count_as_chosen() -> None:
    assert farthest_points(ROWS, 2, 0, known=torch.tensor([[10.0]], dtype=torch.float64)).tolist() == [0, 2]
    nothing = farthest_points(ROWS, 2, 0, known=ROWS[:0])
    assert nothing.tolist() == farthest_points(ROWS, 2, 0).tolist()


def test_where_to_begin() -> None:
    assert farthest_points(ROWS, 3, 0, first=1).tolist() == [1, 3, 2]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 4))
def test_no_row_is_chosen_twice(seed: int, different: int, times: int) -> None:
    """Copies have distance zero; rounding made it negative or positive, and one row could come twice."""
    rows = torch.randn(different, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    chosen = farthest_points(rows.repeat(times, 1), different * times, seed)
    assert sorted(chosen.tolist()) == list(range(different * times))
    assert sorted(int(k) % different for k in chosen[:different]) == list(range(different))
