"""Neighbour lists against ASE's: open, periodic, mixed, triclinic, cells smaller than the cutoff."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111, graphene, molecule
from ase.neighborlist import primitive_neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import NeighbourList, State, find_neighbours

SYSTEMS = {
    "molecule": molecule("CH3CH2OH"),
    "fcc primitive": bulk("Cu"),
    "rocksalt": bulk("NaCl", "rocksalt", a=5.64) * (2, 1, 1),
    "hexagonal": bulk("Mg"),
    "slab": fcc111("Al", (2, 2, 3), vacuum=6.0),
    "sheet without a third vector": graphene(size=(2, 1, 1)),
    "thin triclinic": Atoms(
        "HO", [[0, 0, 0], [0.9, 0.2, 0.1]], cell=[[2.1, 0, 0], [0.9, 2, 0], [0.4, -1, 3]], pbc=True
    ),
    "atoms outside the cell": Atoms("H3", [[-7, 0, 0], [3.1, 9, 0], [0, 0, 12.5]], cell=[3, 3.5, 4], pbc=True),
    "one atom": Atoms("Ar"),
}


def pairs(atoms: Atoms, cutoff: float) -> set[tuple[int, ...]]:
    i, j, shift = primitive_neighbor_list("ijS", atoms.pbc, atoms.cell.complete(), atoms.positions, cutoff)
    return set(map(tuple, np.column_stack([i, j, shift]).tolist()))


def found(state: State, cutoff: float) -> list[tuple[int, ...]]:
    near = find_neighbours(state.system, state.positions, state.cell, cutoff)
    return list(map(tuple, torch.column_stack([near.i, near.j, near.shift]).tolist()))


@pytest.mark.parametrize("cutoff", [1.2, 3.1, 6.5])
@pytest.mark.parametrize("name", SYSTEMS)
def test_same_pairs_as_ase(name: str, cutoff: float) -> None:
    mine = found(State.from_atoms(SYSTEMS[name]), cutoff)
    assert len(mine) == len(set(mine))
    assert set(mine) == pairs(SYSTEMS[name], cutoff)


def test_batch_is_its_systems_one_after_another() -> None:
    state = State.from_atoms(list(SYSTEMS.values()))
    near = find_neighbours(state.system, state.positions, state.cell, 3.1)
    for s, atoms in enumerate(SYSTEMS.values()):
        mine, start = near.index == s, state.system.offsets[s]
        rows = torch.column_stack([near.i[mine] - start, near.j[mine] - start, near.shift[mine]])
        assert set(map(tuple, rows.tolist())) == pairs(atoms, 3.1)
    lengths = near.vectors(state.positions, state.cell).norm(dim=1)
    assert lengths.max() < 3.1 and torch.all(near.i[1:] >= near.i[:-1])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.8, 7.0))
def test_random_triclinic_cells(seed: int, cutoff: float) -> None:
    rng = np.random.default_rng(seed)
    cell = np.eye(3) * rng.uniform(1.5, 4.0, 3) + np.tril(rng.uniform(-1, 1, (3, 3)), -1)
    atoms = Atoms("H3", rng.uniform(-4, 4, (3, 3)), cell=cell, pbc=rng.random(3) < 0.7)
    assert set(found(State.from_atoms(atoms), cutoff)) == pairs(atoms, cutoff)


def test_skin_reuses_the_list_until_it_could_be_wrong() -> None:
    state, neighbours = State.from_atoms(SYSTEMS["rocksalt"]), NeighbourList(4.0, skin=0.6)
    generator = torch.Generator().manual_seed(1)
    for _ in range(60):
        moved = state.positions + 0.03 * torch.randn(state.positions.shape, generator=generator, dtype=torch.float64)
        state = state.replace(positions=moved)
        near, vectors = neighbours(state).within(4.0, state.positions, state.cell)
        fresh = find_neighbours(state.system, state.positions, state.cell, 4.0)
        assert len(near.i) == len(fresh.i)
        torch.testing.assert_close(
            vectors.norm(dim=1).sort().values, fresh.vectors(state.positions, state.cell).norm(dim=1).sort().values
        )
    assert 1 < neighbours.builds < 30


def test_a_new_cell_or_system_rebuilds() -> None:
    state, neighbours = State.from_atoms(SYSTEMS["rocksalt"]), NeighbourList(4.0)
    neighbours(state)
    neighbours(state.replace(cell=state.cell * 1.01))
    neighbours(State.from_atoms(SYSTEMS["rocksalt"]))
    neighbours.reset()
    neighbours(State.from_atoms(SYSTEMS["rocksalt"]))
    assert neighbours.builds == 4


@pytest.mark.parametrize("seed", range(40))
def test_atoms_that_have_flown_off(seed: int) -> None:
    """Far outside of a periodic cell, and far from the others in an open direction: the pairs of those who stayed."""
    random = np.random.default_rng(seed)
    pbc, axis = random.random(3) < 0.5, random.integers(3)
    cell = 5 * np.eye(3) + random.normal(size=(3, 3))
    near = random.uniform(0, 1, (8, 3)) @ cell
    away = near + random.integers(-(10**6), 10**6, (8, 3)) * pbc @ cell
    if not pbc[axis]:
        near[5:] += 100.0 * cell[axis]
        away[5:] += 3e7 * cell[axis]
    states = [State.from_atoms(Atoms("H8", x, cell=cell, pbc=pbc)) for x in (near, away)]
    found = [find_neighbours(s.system, s.positions, s.cell, 6.0137) for s in states]
    lengths = [f.vectors(s.positions, s.cell).norm(dim=1).sort().values for f, s in zip(found, states, strict=True)]
    torch.testing.assert_close(lengths[0], lengths[1], rtol=0, atol=1e-6)
