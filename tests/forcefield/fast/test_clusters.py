"""The compiled clusters of pairs: the pairs of ASE's, whatever the cell; what is kept is found again in time."""

from dataclasses import replace

import ase
import numpy as np
import pytest
import torch
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import Potential, State
from labkit.config import config
from labkit.forcefield import Coulomb, ForceField, LennardJones
from labkit.forcefield.fast.kernels.clusters import Clusters, exclusion_table, find_clusters
from labkit.forcefield.fast.kernels.growing import LANES

NOTHING = (np.zeros(100, np.int64), np.empty(0, np.int32))


def pairs(found: Clusters, positions: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atoms i, j and vectors from i to j of all that the kernel would go through."""
    place, rows = positions[found.order] - found.moved @ cell, []
    for c, (one, two) in enumerate(zip(found.start, found.start[1:], strict=False)):
        first, last = found.first[c : c + 2]
        assert first % LANES == 0 and last % LANES == 0
        real = [p for p in range(first, last) if found.slot[p] < len(place)]
        assert found.slot[first : first + two - one].tolist() == list(range(one, two))
        slots = [(found.slot[p], place[found.slot[p]] + found.moves[found.move[p]] @ cell) for p in real]
        for i in range(one, two):
            masked = set(found.masked[found.masked_first[i] : found.masked_first[i + 1]])
            for p in range(i - one + 1, len(slots)):
                if p not in masked:
                    rows.append((found.order[i], found.order[slots[p][0]], slots[p][1] - place[i]))
    i, j, vectors = zip(*rows, strict=True) if rows else ((), (), np.empty((0, 3)))
    return np.array(i, int), np.array(j, int), np.array(vectors)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 40),
    size=st.floats(2.0, 14.0),
    cutoff=st.floats(0.5, 7.0),
    pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_pairs_are_those_of_ase(seed, n, size, cutoff, pbc) -> None:
    random = np.random.default_rng(seed)
    cell = size * (np.eye(3) + 0.35 * random.uniform(-1, 1, (3, 3)))
    positions = random.uniform(-1.5, 2.5, (n, 3)) @ cell
    atoms = ase.Atoms(f"H{n}", positions=positions, cell=cell, pbc=pbc)
    state = State.from_atoms(atoms)
    found = find_clusters(state.system, positions, cell[None], cutoff, NOTHING)
    i, j, vectors = pairs(found, positions, cell)
    near = np.linalg.norm(vectors, axis=1) < cutoff
    vectors = np.where((i > j)[:, None], -vectors, vectors)
    i, j = np.minimum(i, j)[near], np.maximum(i, j)[near]
    ours = sorted((a, b, *np.round(v, 6)) for a, b, v in zip(i, j, vectors[near], strict=True))
    a, b, d = neighbor_list("ijD", atoms, cutoff)
    theirs = [(x, y, *np.round(v, 6)) for x, y, v in zip(a, b, d, strict=True) if x < y]
    own = np.count_nonzero(a == b)
    assert len(ours) == len(theirs) + own // 2
    assert np.allclose(sorted(p for p in ours if p[0] != p[1]), sorted(theirs), atol=2e-6)


def test_excluded_pairs_are_left_out_at_their_nearest_image_only() -> None:
    atoms = ase.Atoms("H2", positions=[[0, 0, 0], [1, 0, 0]], cell=[4, 20, 20], pbc=True)
    table = exclusion_table(np.array([[1, 0]]), 2)
    found = find_clusters(State.from_atoms(atoms).system, atoms.positions, atoms.cell.array[None], 3.5, table)
    i, j, vectors = pairs(found, atoms.positions, atoms.cell.array)
    near = np.linalg.norm(vectors, axis=1) < 3.5
    assert sorted(zip(i[near], j[near], strict=True)) in ([(0, 1)], [(1, 0)])
    assert np.allclose(np.abs(vectors[near]), [[3, 0, 0]])
    everything = find_clusters(State.from_atoms(atoms).system, atoms.positions, atoms.cell.array[None], None, table)
    assert len(pairs(everything, atoms.positions, atoms.cell.array)[0]) == 0


@pytest.fixture
def fluid() -> tuple[ForceField, State]:
    random = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(5)] * 3), -1).reshape(-1, 3)
    atoms = ase.Atoms("Ar125", positions=grid * 3.6 + 0.2 * random.normal(size=(125, 3)), cell=[18.0] * 3, pbc=True)
    charges = Coulomb(random.normal(size=125), cutoff=7.0, dielectric=80.0)
    terms = {"lj": LennardJones([3.2] * 125, [0.01] * 125, cutoff=7.0), "charges": charges}
    return ForceField(terms, 125), State.from_atoms(atoms)


def test_the_list_is_kept_and_found_again_in_time(fluid) -> None:
    forcefield, state = fluid
    generator = torch.Generator().manual_seed(0)
    for _ in range(40):  # a random walk of 0.07 Å a step, with a cell that breathes
        step = 0.04 * torch.randn(state.positions.shape, dtype=torch.float64, generator=generator)
        stretch = 1 + 0.002 * float(torch.randn(1, generator=generator))
        state = state.replace(positions=(state.positions + step) * stretch, cell=state.cell * stretch)
        fast, slow = forcefield.evaluate(state), Potential.evaluate(forcefield, state)
        torch.testing.assert_close(fast.energy, slow.energy, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(fast.forces, slow.forces, rtol=1e-10, atol=1e-10)
    (group,) = forcefield.__dict__["_kernels"].kernels[:1]
    assert 2 <= group.builds < 40


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.4, 1.6), skewed=st.floats(-0.3, 0.3), affine=st.booleans())
def test_a_list_is_right_in_any_other_cell(seed, scale, skewed, affine) -> None:
    """Few atoms without a pair, then another cell, with atoms that move along or stay; and back."""
    random = np.random.default_rng(seed)
    cell = 14.0 * np.eye(3)
    atoms = ase.Atoms("Ar3", random.uniform(0, 14, (3, 3)), cell=cell, pbc=True)
    other = atoms.copy()
    change = scale * np.eye(3)
    change[0, 1] = skewed
    other.set_cell(cell @ change, scale_atoms=affine)
    forcefield = ForceField({"lj": LennardJones([3.2] * 3, [0.01] * 3, cutoff=5.03)}, 3)
    for frame in (atoms, other, atoms, other):
        fresh = ForceField({"lj": LennardJones([3.2] * 3, [0.01] * 3, cutoff=5.03)}, 3)
        state = State.from_atoms(frame)
        found, expected = forcefield.evaluate(state), fresh.evaluate(state)
        torch.testing.assert_close(found.energy, expected.energy, rtol=1e-10, atol=1e-14)
        torch.testing.assert_close(found.forces, expected.forces, rtol=1e-9, atol=1e-12)


def test_more_threads_give_the_same(fluid, monkeypatch) -> None:
    forcefield, state = fluid
    import labkit.forcefield.fast.kernels.nonbonded as kernels
    from labkit.forcefield.fast import pairs

    one = forcefield.evaluate(state, stress=True)
    monkeypatch.setattr(kernels, "WORK_PER_THREAD", 10)
    monkeypatch.setattr(pairs, "config", lambda: replace(config(), threads=3))
    three = forcefield.evaluate(state, stress=True)
    again = forcefield.evaluate(state, stress=True)
    for name in ("energy", "forces", "stress"):
        torch.testing.assert_close(getattr(one, name), getattr(three, name), rtol=1e-12, atol=1e-12)
        assert torch.equal(getattr(three, name), getattr(again, name))
