"""The variance of sparse Gaussian processes: against the dense one, away from the data, in files."""

import copy

import numpy as np
import pytest
import torch
from active.cases import Pair, gap, pairs

from labkit.active import GpVariance
from labkit.base import State, find_neighbours
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap import Design, GapConfig, GapModel, Soap


@pytest.fixture(scope="module")
def model(design: Design) -> GapModel:
    return gap(design)


def test_against_a_dense_gaussian_process(train: Dataset, valid: Dataset) -> None:
    """With every environment a sparse point and energies alone, the sparse GP is the full GP."""
    frames = train[:5]
    config = GapConfig(
        Soap(cutoff=3.0, n_max=4, l_max=3, zeta=3, n_sparse=1000),
        sigma_force=None,
        sigma_virial=None,
        sparse_jitter=1e-11,
    )
    design = Design.build(frames, config)
    model = design.solve(sigma_energy=0.01)
    state = State.from_atoms(valid.atoms)
    found, energy = GpVariance(model)(state), model.evaluate(state).energy
    both = State.from_atoms(frames.atoms + valid.atoms)
    near = find_neighbours(both.system, both.positions, both.cell, 3.0)
    power = design.terms[0].descriptor(both.system, both.positions, both.cell, near)
    same = both.system.numbers[:, None] == both.system.numbers
    local = (power @ power.T) ** 3 * same
    total = both.system.sum_over_atoms(both.system.sum_over_atoms(local).T)
    a, b = slice(0, 5), slice(5, 11)
    noise = 0.01**2 * 12 * torch.eye(5, dtype=torch.float64)
    gain = torch.linalg.solve(total[a, a] + noise, total[a, b])
    lone = np.array([sum(design.e0[s] for s in atoms.get_chemical_symbols()) for atoms in frames.atoms])
    mean = gain.T @ torch.as_tensor(frames.energy - lone)
    torch.testing.assert_close(energy, mean + lone[0], atol=1e-4, rtol=0)
    variance = torch.diagonal(total[b, b] - total[b, a] @ gain)
    torch.testing.assert_close(found.per_system**2, variance, rtol=1e-3, atol=1e-6)
    cross = both.system.sum_over_atoms(local).T  # (n, S)
    test_atoms = slice(60, 132)
    gain = torch.linalg.solve(total[a, a] + noise, cross[test_atoms, a].T)
    per_atom = 1.0 - (cross[test_atoms, a].T * gain).sum(0)
    torch.testing.assert_close(found.per_atom**2, per_atom, rtol=1e-3, atol=1e-6)


def test_grows_away_from_the_data(model: GapModel, valid: Dataset) -> None:
    atoms = valid.atoms[0]
    broken = atoms.copy()
    broken.positions[1] = broken.positions[0] + [0.0, 0.0, 2.0]
    sure, unsure = GpVariance(model)(State.from_atoms([atoms, broken])).per_system
    assert unsure > 3 * sure


def test_is_invariant_and_extensive_and_of_energies(model: GapModel, valid: Dataset) -> None:
    atoms = valid.atoms[1]
    (once,) = GpVariance(model)(State.from_atoms(atoms)).per_system
    again = GpVariance(model)(State.from_atoms([atoms * (1, 1, 2), atoms[::-1]]))
    torch.testing.assert_close(again.per_system, torch.stack([2 * once, once]), rtol=1e-3, atol=1e-6)
    assert (again.unit_per_system, again.unit_per_atom) == ("eV", "eV")


def test_a_saved_model_has_the_same(model: GapModel, valid: Dataset, tmp_path) -> None:
    model.save(tmp_path / "gap.safetensors")
    state = State.from_atoms(valid.atoms)
    before, after = (GpVariance(m)(state) for m in (model, GapModel.load(tmp_path / "gap.safetensors")))
    assert torch.equal(before.per_system, after.per_system) and torch.equal(before.per_atom, after.per_atom)


def test_other_parts_of_a_sum_add_nothing(model: GapModel, valid: Dataset) -> None:
    state = State.from_atoms(valid.atoms[:2])
    alone, in_sum = GpVariance(model)(state), GpVariance(Pair() + model)(state)
    assert torch.equal(alone.per_system, in_sum.per_system)


def test_a_model_in_single_precision(design: Design, valid: Dataset) -> None:
    state = State.from_atoms(valid.atoms[:2])
    double = GpVariance(gap(design))(state)
    single = GpVariance(copy.deepcopy(gap(design)).float())(state)  # the terms are those of the design
    torch.testing.assert_close(single.per_system, double.per_system, rtol=0.01, atol=2e-3)
    torch.testing.assert_close(single.per_atom, double.per_atom, rtol=0.01, atol=2e-3)


def test_errors(model: GapModel, valid: Dataset, tmp_path) -> None:
    model.save(tmp_path / "small.safetensors", uncertainty=False)
    small = GapModel.load(tmp_path / "small.safetensors")
    with pytest.raises(LabkitError, match="without its covariance"):
        GpVariance(small)
    with pytest.raises(LabkitError, match="Committee is not a Gaussian process; give a GapModel"):
        GpVariance(pairs())
    alien = valid.atoms[0].copy()
    alien.numbers[2] = 17
    with pytest.raises(LabkitError, match="atom 2: Cl is unknown"):
        GpVariance(model)(State.from_atoms(alien))
