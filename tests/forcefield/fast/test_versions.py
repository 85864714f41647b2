"""Kernels are compiled once for all that gives the same result: other versions differ in the last digits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("numba")

import numba

from labkit.base import Potential, State
from labkit.forcefield import ForceField, GeneralizedBorn, Nbfix
from labkit.forcefield.fast.kernels import born, nbfix
from tests.forcefield.fast.test_stale import N, fluid

TABLE = torch.tensor([[3.0, 1.0], [1.0, 2.0]], dtype=torch.float64)


def by_columns(values: torch.Tensor) -> torch.Tensor:
    """The same values, column by column in memory."""
    return values.T.contiguous().T


def of_born(order) -> Potential:
    shape = order(torch.tensor([[1.0, 0.8, 4.85]] * N, dtype=torch.float64))
    neck = np.arange(N) % 2, order(0.01 * TABLE), order(TABLE)
    return GeneralizedBorn([0.1] * N, [1.5] * N, [0.7] * N, shape, neck, neck_scale=0.8, cutoff=5.0)


def of_kinds(order) -> Potential:
    return Nbfix(np.arange(N) % 2, order(TABLE), order(TABLE), cutoff=5.0)


@pytest.mark.parametrize(("make", "module", "name"), [(of_born, born, "_systems"), (of_kinds, nbfix, "nbfix")])
def test_one_version_for_any_order_in_memory(make, module, name, monkeypatch) -> None:
    found = []
    monkeypatch.setattr(module, name, lambda *given: found.append([numba.typeof(argument) for argument in given]))
    for order in (torch.Tensor.contiguous, by_columns):
        one = ForceField({"it": make(order)}, N)
        one.evaluate(fluid())
        ForceField.batch([one, one]).evaluate(State.batch([fluid(0), fluid(1)], seed=1))
    assert len(found) == 4
    assert all(types == found[0] for types in found)
