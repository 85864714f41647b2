"""GAP models: derivatives, invariance, files."""

import gc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from safetensors import safe_open
from safetensors.torch import save_file
from scipy.spatial.transform import Rotation

from labkit.base import State
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap import Design, Distance2b, GapConfig, GapModel, Soap


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
    energy = model.evaluate(State.from_atoms(atoms)).energy
    turn = Rotation.random(random_state=3).as_matrix()
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ turn.T)
    turned.positions = atoms.positions @ turn.T - 3.0
    double = atoms * (1, 1, 2)
    again = model.evaluate(State.from_atoms([turned, double, atoms[::-1]]))
    shifted = torch.stack([energy[0], 2 * energy[0], energy[0]])
    torch.testing.assert_close(again.energy, shifted, atol=1e-6, rtol=0)


def test_forces_are_the_same_in_a_supercell(model: GapModel, valid: Dataset) -> None:
    atoms = valid.atoms[2]
    small = model.evaluate(State.from_atoms(atoms)).forces
    large = model.evaluate(State.from_atoms(atoms * (2, 1, 1))).forces
    torch.testing.assert_close(large[:12], small, atol=1e-8, rtol=0)


def test_saved_and_loaded_is_the_same(model: GapModel, valid: Dataset, tmp_path) -> None:
    path = tmp_path / "gap.safetensors"
    model.save(path)
    back = GapModel.load(path)
    state = State.from_atoms(valid.atoms)
    before, after = (m.evaluate(state, stress=True) for m in (model, back))
    for name in ("energy", "forces", "stress"):
        assert torch.equal(getattr(before, name), getattr(after, name)), name
    for one, other in zip(model.variance(state), back.variance(state), strict=True):
        assert torch.equal(one, other)
    assert back.config == model.config and back.e0 == model.e0 and back.metadata == model.metadata
    model.save(tmp_path / "small.safetensors", uncertainty=False)
    assert (tmp_path / "small.safetensors").stat().st_size < path.stat().st_size
    with pytest.raises(LabkitError, match="without its covariance"):
        GapModel.load(tmp_path / "small.safetensors").variance(state)


def test_bad_files_in_words(model: GapModel, tmp_path) -> None:
    path = tmp_path / "gap.safetensors"
    model.save(path)
    whole = path.read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LabkitError, match="cut.safetensors.*truncated"):
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
    with pytest.raises(LabkitError, match="hyperparameters were changed"):
        GapModel.load(tmp_path / "other.safetensors")
    for found, instead in (('"zeta": 4.0', '"zeta": 2.0'), ('"delta": 1.0', '"delta": 2.0')):
        changed = header | {"config": header["config"].replace(found, instead)}
        assert changed != header
        save_file(tensors, tmp_path / "other.safetensors", changed)
        with pytest.raises(LabkitError, match="do not match"):
            GapModel.load(tmp_path / "other.safetensors")
    save_file(tensors, tmp_path / "alien.safetensors", {"format": "pt"})
    with pytest.raises(LabkitError, match="not a GAP of labkit"):
        GapModel.load(tmp_path / "alien.safetensors")


SAVE = """
import resource, signal, sys
from labkit.gap import GapModel
model = GapModel.load(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # a file that grows beyond is what a full disk is
model.save(sys.argv[2])
"""


def test_a_failed_save_keeps_the_old_file(model: GapModel, tmp_path) -> None:
    model.save(tmp_path / "whole.safetensors")
    path = tmp_path / "gap.safetensors"
    path.write_bytes(b"older")
    done = subprocess.run(
        [sys.executable, "-c", SAVE, tmp_path / "whole.safetensors", path], capture_output=True, text=True
    )
    assert "LabkitError" in done.stderr and "gap.safetensors: could not be written" in done.stderr
    assert path.read_bytes() == b"older"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gap.safetensors", "whole.safetensors"]
    with pytest.raises(LabkitError, match="could not be written"):
        model.save(tmp_path / "nowhere" / "gap.safetensors")


def test_a_read_only_folder(model: GapModel, tmp_path, monkeypatch) -> None:
    def refuse(*args, **kwargs):  # the superuser, as whom CI may run, can write anywhere
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("labkit.leftovers.tempfile.mkstemp", refuse)
    with pytest.raises(LabkitError, match="could not be written .Permission denied.; nothing was changed"):
        model.save(tmp_path / "gap.safetensors")
    assert not list(tmp_path.iterdir())


def test_quadratic_forms_of_zeta_2_belong_to_their_model(train: Dataset, valid: Dataset) -> None:
    """Many models of one design, some of them freed: each has its own weights."""
    soap = Soap(cutoff=3.0, n_max=2, l_max=1, zeta=2, n_sparse=60, sparse_method="fps")
    design = Design.build(train, GapConfig(soap, sparse_jitter=1e-8), valid=valid)
    assert design.terms[0].descriptor.n_features < 60
    for sigma in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0):
        model = design.solve(sigma_force=sigma)
        assert model._prepare()[0][1][1] is not None
        direct = model.evaluate(State.from_atoms(valid.atoms)).energy
        np.testing.assert_allclose(design.predictions(model)["energy"], direct, atol=1e-6)
        del model
        gc.collect()


def test_one_model_in_several_threads(model: GapModel, valid: Dataset) -> None:
    energies = [float(model.evaluate(State.from_atoms(a)).energy[0]) for a in valid.atoms]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda a: float(model.evaluate(State.from_atoms(a)).energy[0]), valid.atoms * 8))
    np.testing.assert_allclose(found, energies * 8, atol=1e-9)


def test_what_dynamics_can_break_is_an_error(model: GapModel, valid: Dataset) -> None:
    state = State.from_atoms(valid.atoms[0])
    model.evaluate(state)
    lost = state.positions.clone()
    lost[4] = torch.nan
    with pytest.raises(LabkitError, match="atom 4: position .* is not finite"):
        model.evaluate(state.replace(positions=lost))
    lost[4] = state.positions[3]
    with pytest.raises(LabkitError, match="atoms 3 and 4 are at the same place"):
        model.evaluate(state.replace(positions=lost))


def test_pair_model_knows_its_species(train: Dataset) -> None:
    model = Design.build(train, GapConfig(Distance2b(n_sparse=5), sparse_jitter=1e-6)).solve()
    alien = train.atoms[0].copy()
    alien.numbers[2] = 17
    with pytest.raises(LabkitError, match="atom 2: Cl is unknown"):
        model.evaluate(State.from_atoms(alien))
