"""Neighbours: two searches agree, each system's list is its own, and a look at a list asks the device once."""

import time

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from labkit.base import NeighbourList, State, find_neighbours, search
from labkit.errors import LabkitError


def some_system(random: np.random.Generator) -> Atoms:
    """A few atoms, anywhere and not wrapped, in any cell, periodic along any vectors."""
    n = int(random.integers(1, 9))
    cell = random.normal(size=(3, 3)) * 2.5
    while abs(np.linalg.det(cell)) < 8:
        cell = random.normal(size=(3, 3)) * 2.5
    return Atoms(
        numbers=random.integers(1, 20, n),
        positions=6 * random.normal(size=(n, 3)),
        cell=cell,
        pbc=random.random(3) < 0.5,
    )


def as_set(pairs, counts=None) -> set:
    return set(
        zip(pairs.i.tolist(), pairs.j.tolist(), map(tuple, pairs.shift.tolist()), pairs.index.tolist(), strict=True)
    )


@given(st.integers(0, 10**9), st.floats(0.5, 7.0))
@settings(max_examples=60, deadline=None)
def test_brute_force_and_cells_find_the_same(seed, cutoff) -> None:
    random = np.random.default_rng(seed)
    state = State.from_atoms([some_system(random) for _ in range(4)])
    arguments = state.system, state.positions, state.cell, cutoff
    with pytest.MonkeyPatch.context() as patch:
        found = {}
        for most in (0, 10**9):
            patch.setitem(search.DENSE, "cpu", most)
            found[most] = find_neighbours(*arguments)
    assert as_set(found[0]) == as_set(found[10**9])
    assert len(found[0].i) == len(as_set(found[0]))
    assert found[0].i.equal(found[10**9].i) and bool((found[0].i.diff() >= 0).all())
    vectors = found[0].vectors(state.positions, state.cell)
    assert bool((vectors.norm(dim=1) < cutoff).all())


def mixture() -> State:
    frames = [molecule("C6H6"), bulk("Cu", cubic=True) * 2, molecule("H2O"), bulk("NaCl", "rocksalt", a=5.6)]
    frames.append(Atoms("Ar40", positions=np.random.default_rng(1).uniform(0, 14, (40, 3))))
    for k, frame in enumerate(frames):
        frame.rattle(0.05, seed=k)
    return State.from_atoms(frames)


@given(st.lists(st.booleans(), min_size=5, max_size=5), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_the_list_of_a_system_does_not_depend_on_the_others(moves, seed) -> None:
    """Those that have moved are found again, and all are, to the order of the pairs, what each has alone."""
    state, together = mixture(), NeighbourList(4.0)
    alone = [NeighbourList(4.0) for _ in range(5)]
    parts = [state[s] for s in range(5)]
    systems = [part.system for part in parts]
    random = torch.Generator().manual_seed(seed)
    far = torch.tensor(moves)[state.system.index, None] * torch.randn(state.positions.shape, generator=random).double()
    for positions in (state.positions, state.positions + 0.3 * far):
        near, start = together(state.replace(positions=positions)), 0
        for s, (own, system) in enumerate(zip(alone, systems, strict=True)):
            rows = state.system.atoms_of(torch.tensor([s]))
            mine = own(parts[s].replace(system=system, positions=positions[rows]))
            here = near.index == s
            assert (near.i[here] - start).equal(mine.i) and (near.j[here] - start).equal(mine.j)
            assert near.shift[here].equal(mine.shift)
            start += system.n_atoms
    # the list is complete: all pairs within the cutoff are in it
    assert as_set(find_neighbours(state.system, positions, state.cell, 4.0)) <= as_set(near)


def test_only_what_has_moved_is_searched(monkeypatch) -> None:
    seen = []
    state, near = mixture(), NeighbourList(4.0)
    found = search._by_cells
    monkeypatch.setattr(search, "_by_cells", lambda *a: (seen.append(len(a[0].counts)), found(*a))[1])
    near(state)
    moved = state.positions.clone()
    moved[state.system.offsets[1]] += 0.4
    near(state.replace(positions=moved))
    assert seen == [5, 1] and near.builds == 2
    cell = state.cell.clone()
    cell[3] *= 1.001
    near(state.replace(positions=moved, cell=cell))
    assert seen == [5, 1, 1]


class Waits(TorchDispatchMode):
    """Counts what waits for a device: numbers and shapes that Python is told."""

    NAMES = ("_local_scalar_dense", "nonzero", "equal", "masked_select", "unique", "is_nonzero", "item")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += any(func.__name__.startswith(name) for name in self.NAMES)
        return func(*args, **kwargs or {})


def test_a_look_at_a_list_waits_once_and_at_a_fixed_one_never() -> None:
    for frames, most in (([bulk("Cu", cubic=True) * 2] * 3, 1), ([molecule("C6H6")] * 3, 0)):
        state, near = State.from_atoms(frames), NeighbourList(4.0)
        near(state)
        state = state.replace(positions=state.positions + 0.01)
        with Waits() as waits:
            near(state)
        # one more: whether all are fixed is a flag on the CPU, and asking for it waits for no device
        assert waits.count <= most + 1 and near.builds == 1


def test_a_thousand_small_systems_at_once() -> None:
    frames = [Atoms("C20", positions=np.random.default_rng(s).normal(size=(20, 3)) * 6) for s in range(1000)]
    state = State.from_atoms(frames)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        pairs = find_neighbours(state.system, state.positions, state.cell, 8.0)
        times.append(time.perf_counter() - began)
    one = State.from_atoms(frames[7])
    alone = find_neighbours(one.system, one.positions, one.cell, 8.0)
    assert (pairs.j[pairs.index == 7] - 140).equal(alone.j)
    assert min(times) < 0.1, times  # 275 ms by one search after the other


def test_atoms_at_one_place_are_named() -> None:
    frames = [molecule("H2O"), Atoms("Ar2", positions=[[0, 0, 0], [10, 0, 0]], cell=[10] * 3, pbc=True)]
    state = State.from_atoms(frames)
    with pytest.raises(LabkitError, match="frame 1: atoms 0 and 1 are at the same place"):
        find_neighbours(state.system, state.positions, state.cell, 3.0)
