"""Constraints in periodic cells, whose faces cut molecules; constraints of a force field that are left out."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import State, System
from labkit.base.lattice import lattices_of
from labkit.engine import Constraints, Langevin, VelocityVerlet, fire, hold, lbfgs, simulate
from labkit.engine.whole import whole
from labkit.errors import LabkitError
from labkit.forcefield import Coulomb, ForceField, HarmonicBonds, LennardJones

WATER = np.array([[0, 0, 0], [0.9572, 0, 0], [-0.23999, 0.92663, 0]])
LENGTHS = torch.tensor([0.9572, 0.9572, 1.51390], dtype=torch.float64)
ROWS = torch.tensor([[0, 1], [0, 2], [1, 2]])


def waters(seed: int, count: int = 5) -> tuple[State, Constraints]:
    """Whole molecules, each turned its own way, in a skewed cell; three systems of a batch."""
    random, cell = np.random.default_rng(seed), np.zeros((3, 3))
    while abs(np.linalg.det(cell)) < 1 or lattices_of(cell[None], np.ones((1, 3), bool)).inside[0] < 1.6:
        cell = np.diag(random.uniform(5, 8, 3)) + random.normal(size=(3, 3))
        cell[1] += random.integers(-2, 3) * cell[0]
    turns = [np.linalg.qr(random.normal(size=(3, 3)))[0] for _ in range(count)]
    x = np.concatenate([WATER @ turn + random.uniform(-1, 2, 3) @ cell for turn in turns])
    n = 3 * count
    system = System(
        torch.tensor([8, 1, 1] * count), torch.tensor([16.0, 1, 1] * count).double(), torch.zeros(n).long(),
        torch.ones(1, 3, dtype=torch.bool),
    )  # fmt: skip
    state = State(system, torch.from_numpy(x), torch.from_numpy(cell)[None], torch.zeros(n, 3).double())
    return State.batch([state] * 3, seed=1), Constraints(ROWS, LENGTHS).repeat(3 * count, 3)


def wrapped(state: State) -> State:
    cell = state.cell[state.system.index]
    parts = torch.linalg.solve(cell.mT, state.positions)
    return state.replace(positions=state.positions - (torch.floor(parts)[:, None] @ cell).squeeze(1))


def geometry(state: State) -> torch.Tensor:
    x = state.positions.reshape(-1, 3, 3)
    return torch.stack([x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]], 1)


def free(n: int) -> ForceField:
    return ForceField({"none": LennardJones([1.0] * n, [0.0] * n, cutoff=2.0)}, n)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_molecules_cut_by_the_faces_are_made_whole(seed: int, held: bool) -> None:
    state, constraints = waters(seed)
    cut = wrapped(state)
    cut = hold(cut, [3, 7, 20]) if held else cut
    found = whole(cut, constraints)
    torch.testing.assert_close(geometry(found), geometry(state), rtol=0, atol=1e-9)
    moved = found.positions - cut.positions
    assert not moved[cut.system.held].any()
    parts = torch.linalg.solve(cut.cell.mT[cut.system.index], moved)
    torch.testing.assert_close(parts, parts.round(), rtol=0, atol=1e-9)
    assert whole(state, constraints) is state


@pytest.mark.parametrize("start", ["run", "fire", "lbfgs"])
def test_runs_and_minimisations_start_with_whole_molecules(start: str) -> None:
    """Constraints know no images: they would pull an atom through the cell, to a place where nothing was."""
    state, constraints = waters(2)
    potential = free(state.system.n_atoms)
    if start == "run":
        found = simulate(wrapped(state), potential, VelocityVerlet(constraints), 1, 1.0)
    else:
        found = {"fire": fire, "lbfgs": lbfgs}[start](wrapped(state), potential, constraints=constraints)
    torch.testing.assert_close(geometry(found), geometry(state), rtol=0, atol=1e-4)


def rigid(pairs: bool = True) -> ForceField:
    """Water without bonds, as an importer makes it."""
    excluded = ROWS.tolist()
    terms = {"lj": LennardJones([3.15, 0.4, 0.4], [0.0066, 0, 0], excluded), "q": Coulomb([-0.8, 0.4, 0.4], excluded)}
    return ForceField(terms, 3, constrained=ROWS if pairs else ())


def test_constraints_that_are_left_out_are_said_at_the_start() -> None:
    state, constraints = waters(0, count=1)
    three = [rigid().repeat(3), ForceField.batch([rigid()] * 3), rigid().repeat(3).pairs_in(torch.float32)]
    for potential in (*three, three[0] + free(9)):
        for move in (VelocityVerlet(), Langevin(300.0, 0.01), VelocityVerlet(Constraints(ROWS, LENGTHS))):
            with pytest.warns(UserWarning, match=r"no bonds for [69] pairs of atoms, such as [03] and [14], which"):
                move.init(state, potential)
        with pytest.warns(UserWarning, match="no bonds for 9 pairs of atoms"):
            fire(state, potential, steps=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            VelocityVerlet(constraints).init(state, potential)
            fire(state, potential, steps=0, constraints=constraints)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        VelocityVerlet().init(state, rigid(pairs=False).repeat(3))


def test_they_are_the_reason_when_the_run_explodes() -> None:
    state, _ = waters(0, count=1)
    push = HarmonicBonds([[0, 1]], 1e7, 9.0)
    potential = rigid().repeat(3) + ForceField({"push": push}, 9)
    with pytest.warns(UserWarning), pytest.raises(LabkitError, match="The force field has no bonds for 9 pairs"):
        simulate(state, potential, VelocityVerlet(), 200, 2.0)
