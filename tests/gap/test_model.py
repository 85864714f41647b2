"""GAP models: derivatives, invariance, the full variance, files."""

import numpy as np
import pytest
import torch
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from safetensors import safe_open
from safetensors.torch import save_file
from scipy.spatial.transform import Rotation

from labkit.base import State, find_neighbours
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap import Design, GapConfig, GapModel, Soap


@pytest.fixture(scope="module")
def model(design: Design) -> GapModel:
    return design.solve(sigma_energy=0.001, sigma_force=0.05)


def test_calculator_against_finite_differences(model: GapModel, valid: Dataset) -> None:
    atoms = valid.atoms[0].copy()
    atoms.calc = model.calculator()
    np.testing.assert_allclose(atoms.get_forces()[:3], calculate_numerical_forces(atoms, 1e-4, range(3)), atol=2e-5)
    np.testing.assert_allclose(atoms.get_stress(), calculate_numerical_stress(atoms, eps=1e-5), atol=1e-6)


def test_energy_is_invariant_and_extensive(model: GapModel, valid: Dataset) -> None:
    atoms = valid.atoms[1]
    energy, variance = (
        getattr(model.evaluate(State.from_atoms(atoms), uncertainty=True), k) for k in ("energy", "uncertainty")
    )
    turn = Rotation.random(random_state=3).as_matrix()
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ turn.T)
    turned.positions = atoms.positions @ turn.T - 3.0
    double = atoms * (1, 1, 2)
    again = model.evaluate(State.from_atoms([turned, double, atoms[::-1]]), uncertainty=True)
    shifted = torch.stack([energy[0], 2 * energy[0], energy[0]])
    torch.testing.assert_close(again.energy, shifted, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        again.uncertainty, torch.stack([variance[0], 2 * variance[0], variance[0]]), rtol=1e-3, atol=1e-6
    )


def test_forces_are_the_same_in_a_supercell(model: GapModel, valid: Dataset) -> None:
    atoms = valid.atoms[2]
    small = model.evaluate(State.from_atoms(atoms)).forces
    large = model.evaluate(State.from_atoms(atoms * (2, 1, 1))).forces
    torch.testing.assert_close(large[:12], small, atol=1e-8, rtol=0)


def test_variance_against_a_dense_gaussian_process(train: Dataset, valid: Dataset) -> None:
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
    found = model.evaluate(State.from_atoms(valid.atoms), uncertainty=True)
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
    torch.testing.assert_close(found.energy, mean + lone[0], atol=1e-4, rtol=0)
    variance = torch.diagonal(total[b, b] - total[b, a] @ gain)
    torch.testing.assert_close(found.uncertainty**2, variance, rtol=1e-3, atol=1e-6)
    cross = both.system.sum_over_atoms(local).T  # (n, S)
    test_atoms = slice(60, 132)
    gain = torch.linalg.solve(total[a, a] + noise, cross[test_atoms, a].T)
    per_atom = 1.0 - (cross[test_atoms, a].T * gain).sum(0)
    torch.testing.assert_close(found.uncertainty_per_atom**2, per_atom, rtol=1e-3, atol=1e-6)


def test_uncertainty_grows_away_from_the_data(model: GapModel, valid: Dataset) -> None:
    atoms = valid.atoms[0]
    broken = atoms.copy()
    broken.positions[1] = broken.positions[0] + [0.0, 0.0, 2.0]
    sure, unsure = model.evaluate(State.from_atoms([atoms, broken]), uncertainty=True).uncertainty
    assert unsure > 3 * sure


def test_saved_and_loaded_is_the_same(model: GapModel, valid: Dataset, tmp_path) -> None:
    path = tmp_path / "gap.safetensors"
    model.save(path)
    back = GapModel.load(path)
    state = State.from_atoms(valid.atoms)
    before = model.evaluate(state, stress=True, uncertainty=True)
    after = back.evaluate(state, stress=True, uncertainty=True)
    for name in ("energy", "forces", "stress", "uncertainty", "uncertainty_per_atom"):
        assert torch.equal(getattr(before, name), getattr(after, name)), name
    assert back.config == model.config and back.e0 == model.e0 and back.metadata == model.metadata
    model.save(tmp_path / "small.safetensors", uncertainty=False)
    assert (tmp_path / "small.safetensors").stat().st_size < path.stat().st_size
    with pytest.raises(LabkitError, match="without its covariance"):
        GapModel.load(tmp_path / "small.safetensors").evaluate(state, uncertainty=True)


def test_bad_files_in_words(model: GapModel, tmp_path) -> None:
    path = tmp_path / "gap.safetensors"
    model.save(path)
    whole = path.read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LabkitError, match="cut.safetensors.*cut off"):
        GapModel.load(tmp_path / "cut.safetensors")
    with pytest.raises(LabkitError, match="no such file"):
        GapModel.load(tmp_path / "absent.safetensors")
    with safe_open(path, "pt") as file:
        header, tensors = file.metadata(), {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    save_file(
        tensors,
        tmp_path / "other.safetensors",
        header | {"config": header["config"].replace('"n_max": 5', '"n_max": 6')},
    )
    with pytest.raises(LabkitError, match="other hyperparameters"):
        GapModel.load(tmp_path / "other.safetensors")
    save_file(tensors, tmp_path / "alien.safetensors", {"format": "pt"})
    with pytest.raises(LabkitError, match="no GAP of labkit's"):
        GapModel.load(tmp_path / "alien.safetensors")


def test_a_failed_save_keeps_the_old_file(model: GapModel, tmp_path, monkeypatch) -> None:
    path = tmp_path / "gap.safetensors"
    path.write_bytes(b"older")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("labkit.gap.model_file.save_file", full)
    with pytest.raises(LabkitError, match="No space left on device"):
        model.save(path)
    assert path.read_bytes() == b"older" and [p.name for p in tmp_path.iterdir()] == ["gap.safetensors"]
    with pytest.raises(LabkitError, match="could not be written"):
        model.save(tmp_path / "nowhere" / "gap.safetensors")
