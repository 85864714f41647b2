"""Pairs wherever the atoms are, whatever the cell: vesin alone ends the process for many of these."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labkit.base import State, find_neighbours
from labkit.base.cell_search import pairs_of
from labkit.datasets import Dataset
from labkit.datasets.audit import audit
from labkit.errors import LabkitError
from labkit.gap import Design, GapConfig, Soap


def one_by_one(positions, cell, pbc, cutoff) -> set:
    """(i, j, shift) of all pairs, each image tried."""
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    most = np.where(pbc, np.floor(cutoff / heights) + 1, 0).astype(int)
    images = np.array(list(itertools.product(*(range(-m, m + 1) for m in most))))
    found = set()
    for i, j in itertools.product(range(len(positions)), repeat=2):
        d = positions[j] - positions[i]
        home = np.where(pbc, -np.floor(d @ np.linalg.inv(cell)), 0).astype(int)
        shifts = home + images
        near = np.linalg.norm(d + shifts @ cell, axis=1) < cutoff
        found |= {(i, j, *s) for s in shifts[near].tolist() if i != j or any(s)}
    return found


@given(
    st.integers(0, 10**9), st.floats(0, 8), st.tuples(*[st.booleans()] * 3), st.tuples(*[st.booleans()] * 3),
    st.floats(0.3, 6.0), st.floats(0, 9),
)  # fmt: skip
@example(0, 5.0, (False,) * 3, (True, False, False), 5.0, 5.0)  # an atom at 1e5 Å
@example(1, 3.95, (False,) * 3, (True, True, False), 5.0, 0.0)  # a sheet of 9000 Å
@example(2, 7.0, (False,) * 3, (False, False, True), 5.0, 0.0)
@example(3, 6.0, (True, False, False), (True, False, False), 2.0, 9.0)
@settings(max_examples=120, deadline=None)
def test_any_extent_and_any_place(seed, extent, pbc, wide, cutoff, place) -> None:
    """Atoms in groups over up to 1e8 Å along some axes, cells as wide, the whole up to 1e9 Å from the origin."""
    random = np.random.default_rng(seed)
    size = np.where(wide, 10**extent, 3.0)
    cell = np.diag(np.where(wide, 10**extent, 4.0)) @ (np.eye(3) + 0.2 * random.normal(size=(3, 3)))
    if abs(np.linalg.det(cell)) < 0.2 * np.prod(np.diag(cell)):
        cell = np.diag(np.where(wide, 10**extent, 4.0))
    groups = size * random.random((5, 3))
    positions = groups[random.integers(0, 5, 12)] + random.normal(size=(12, 3))
    positions = positions + random.normal(size=3) * (10**place if place > 2 else 0)
    asked = (torch.as_tensor(np.asarray(x)) for x in (positions, cell, np.array(pbc)))
    i, j, shift, d = pairs_of(*asked, cutoff)
    vectors = positions[j] - positions[i] + shift.numpy() @ cell
    rounding = 1e-14 * max(np.abs(positions).max(), 10**extent)
    assert np.allclose(np.linalg.norm(vectors, axis=1), d, rtol=0, atol=1e-9 + 30 * rounding)
    found = set(zip(i.tolist(), j.tolist(), *shift.T.tolist(), strict=True))
    assert len(found) == len(i) and bool((i.diff() >= 0).all())
    smaller, larger = (one_by_one(positions, cell, pbc, cutoff + s * (1e-9 + 30 * rounding)) for s in (-1, 1))
    assert smaller <= found <= larger


def far_frames() -> Dataset:
    frames = []
    for seed in range(6):
        atoms = molecule("CH3CH2OH")
        atoms.rattle(0.05, seed=seed)
        if seed % 2:
            # more atoms than brute force is for, and one far away
            atoms = Atoms("C120", positions=np.random.default_rng(seed).uniform(0, 15, (120, 3)))
            atoms.positions[-1] += [1e5, 1e7, 3e4]
        atoms.info["energy"] = -1.0 * len(atoms)
        atoms.arrays["forces"] = np.zeros((len(atoms), 3))
        frames.append(atoms)
    return Dataset.from_atoms(frames, name="far")


def test_report_and_design_of_frames_with_atoms_far_away() -> None:
    data = far_frames()
    assert audit(data).findings
    config = GapConfig(Soap(n_max=2, l_max=1, n_sparse=4, cutoff=3.0), sigma_virial=None)
    model = Design.build(data, config).solve()
    assert np.isfinite(model.weights.numpy()).all()


@pytest.mark.parametrize("cutoff", [1e3, 1e9, 1e308])
@pytest.mark.parametrize("pbc", [True, False])
def test_too_many_pairs_are_refused_at_once(cutoff, pbc) -> None:
    n = 1500 if pbc else 3_000_000
    if pbc:
        positions = np.random.default_rng(0).uniform(0, 25, (n, 3))
    else:
        positions = np.random.default_rng(0).uniform(0, 1000, (n, 3))
    state = State.from_atoms([Atoms(numbers=np.full(n, 18), positions=positions, cell=[25.0] * 3, pbc=pbc)])
    with pytest.raises(LabkitError, match=r"some .* pairs within .* use a smaller cutoff"):
        find_neighbours(state.system, state.positions, state.cell, cutoff)


def test_a_few_atoms_and_any_cutoff() -> None:
    state = State.from_atoms([molecule("H2O")])
    assert len(find_neighbours(state.system, state.positions, state.cell, 1e308).i) == 6


def test_a_flat_cell_is_named() -> None:
    cell = torch.tensor([[1.0, 0, 0], [2, 0, 0], [0, 0, 1]], dtype=torch.float64)
    with pytest.raises(LabkitError, match="has no volume"):
        pairs_of(torch.zeros(1, 3, dtype=torch.float64), cell, torch.ones(3, dtype=torch.bool), 1.0)


@pytest.mark.parametrize("compiled", [True, False])
def test_absurd_cutoffs_and_cells_of_force_fields(compiled) -> None:
    """As with `cutoff: 1000` in a run file of a few molecules."""
    pytest.importorskip("numba")
    from labkit.forcefield import ForceField, LennardJones, Pme
    from labkit.forcefield.fast.uncompiled import Uncompiled

    made = ForceField if compiled else lambda *parts: Uncompiled(ForceField(*parts))
    n = 1500
    positions = np.random.default_rng(0).uniform(0, 25, (n, 3))
    atoms = Atoms(numbers=np.full(n, 18), positions=positions, cell=[25.0] * 3, pbc=True)
    ones, none = torch.ones(n, dtype=torch.float64), torch.zeros(0, 2, dtype=torch.int64)
    for cutoff in (1e3, 1e5):
        field = made({"lj": LennardJones(ones, ones, none, cutoff)}, n)
        with pytest.raises(LabkitError, match="use a smaller cutoff"):
            field.evaluate(State.from_atoms(atoms))
    for cutoff in (1e308, float("inf"), float("nan"), 0.0, -1.0):
        with pytest.raises(LabkitError, match="LennardJones: cutoff is .* Å, expected a positive number or None"):
            LennardJones(ones, ones, none, cutoff)
    wide = Atoms(numbers=[11, 17], positions=[[0, 0, 0], [3, 0, 0]], cell=[1e6] * 3, pbc=True)
    charges = torch.tensor([1.0, -1.0], dtype=torch.float64)
    field = made({"pme": Pme(charges, none, 9.0)}, 2)
    with pytest.raises(LabkitError, match="Pme: a cell of .* needs a mesh of .* points"):
        field.evaluate(State.from_atoms(wide))


def test_searches_in_several_threads_do_not_meet() -> None:
    """One search object for all threads once gave the pairs of one system to another."""
    random = torch.Generator().manual_seed(0)
    cell, pbc = 6.0 * torch.eye(3, dtype=torch.float64), torch.ones(3, dtype=torch.bool)
    systems = [6 * torch.rand(n, 3, generator=random, dtype=torch.float64) for n in range(20, 60)]
    expected = [len(pairs_of(r, cell, pbc, 4.0)[0]) for r in systems]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            assert list(pool.map(lambda r: len(pairs_of(r, cell, pbc, 4.0)[0]), systems)) == expected
