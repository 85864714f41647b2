"""Rows added one after another: against the solution of all at once, and the same bits whatever came between."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabkitError
from labkit.regression import Block, BlockLeastSquares
from labkit.regression.sequential import SequentialLeastSquares


def problem(rows, columns, seed):
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, columns, dtype=torch.float64, generator=random)
    prior = (
        torch.randn(columns, columns, dtype=torch.float64, generator=random).triu() + 3 * torch.eye(columns).double()
    )
    return prior, x, torch.randn(rows, 2, dtype=torch.float64, generator=random)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 99), st.data())
def test_the_solution_is_that_of_all_rows_at_once(rows, columns, seed, data):
    prior, x, y = problem(rows, columns, seed)
    fit, block, start = SequentialLeastSquares(prior, 2), Block(columns), 0
    while start < rows:
        end = data.draw(st.integers(start + 1, rows))
        fit.add(x[start:end], y[start:end])
        start = end
    v = torch.tensor([1.0, -0.7], dtype=torch.float64)
    block.add(x, y @ v)
    expected, found = BlockLeastSquares(prior, {"y": block}).solve({"y": 1.0}), fit.solve(v)
    torch.testing.assert_close(found.weights, expected.weights, rtol=1e-9, atol=1e-11)
    assert found.log_evidence == pytest.approx(expected.log_evidence, rel=1e-9, abs=1e-8)
    torch.testing.assert_close(found.factor.mT @ found.factor, x.mT @ x + prior.mT @ prior, rtol=1e-9, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 99))
def test_solutions_in_between_and_other_portions_change_no_bit(portions, seed):
    prior, x, y = problem(sum(portions), 5, seed)
    one, other = SequentialLeastSquares(prior, 2), SequentialLeastSquares(prior, 2)
    start = 0
    for size in portions:
        one.add(x[start : start + size], y[start : start + size])
        one.solve()
        start += size
    for k in range(len(x)):
        other.add(x[k : k + 1], y[k : k + 1])
    np.testing.assert_array_equal(one.solve().weights.numpy(), other.solve().weights.numpy())


def test_what_does_not_fit_is_refused():
    fit = SequentialLeastSquares(torch.eye(3, dtype=torch.float64))
    with pytest.raises(LabkitError, match="no row has been added"):
        fit.solve()
    with pytest.raises(LabkitError, match=r"rows \(2, 4\) and targets \(2, 1\); expected \(k, 3\) and \(k, 1\)"):
        fit.add(torch.zeros(2, 4), torch.zeros(2, 1))
