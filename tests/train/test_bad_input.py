"""Bad input ends in a sentence that helps, and loses nothing: data, models and settings that do not fit."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from train.test_command import run_file

import labkit.train.command as command
from labkit.base import State
from labkit.cli import main
from labkit.datasets import Dataset, DatasetWarning, ice
from labkit.errors import LabkitError
from labkit.files import sealed
from labkit.neural import NeuralConfig, NeuralPotential, train, untrained
from labkit.units import KCAL_PER_MOL

SMALL = {"channels": 4, "cutoff": 2.5, "n_radial": 4}
FRAMES = ice("train", n=50)[:12]


def said(path, capsys, *options: str, code: int = 2) -> str:
    assert main(["train", str(path), *options]) == code
    return capsys.readouterr().err


def test_no_frames(tmp_path, capsys) -> None:
    (tmp_path / "ice.xyz").write_text("\n")
    assert "ice.xyz: no frames, expected at least one" in said(run_file(tmp_path, data="ice.xyz"), capsys)
    with pytest.raises(LabkitError, match="has no frames; give at least one"):
        untrained(FRAMES[:0], **SMALL)
    with pytest.raises(LabkitError, match="has no frames; give at least one"):
        train(untrained(FRAMES, **SMALL), FRAMES[:0], steps=2)


def test_files_that_are_not_there(tmp_path, capsys) -> None:
    FRAMES.write(tmp_path / "ice.xyz")
    assert "no frames are named" in said(run_file(tmp_path, data=None), capsys)
    found = said(run_file(tmp_path, data="icy.xyz"), capsys, "--overwrite")
    assert "icy.xyz: no such file" in found and "did you mean 'ice.xyz'" in found
    for dataset, message in (
        ("QM9", "python -m pip install --no-deps qm9pack"),
        ("MD17", "looked for *aspirin*.npz"),
        ("HDF5", "nothing.h5: no such file"),
        ("Custom", "coord_files is missing"),
    ):
        root = str(tmp_path / "nothing.h5")
        path = run_file(tmp_path, data=None, dataset=dataset, dataset_arg={"molecules": "aspirin"}, dataset_root=root)
        assert message in said(path, capsys, "--overwrite")


def test_nan_labels_name_the_frame(tmp_path, capsys) -> None:
    forces = FRAMES.forces.copy()
    forces[FRAMES.offsets[5] + 2, 1] = np.nan
    FRAMES.write(tmp_path / "ice.xyz")
    arrays = {"positions": FRAMES.state().positions.numpy(), "numbers": FRAMES.state().system.numbers.numpy()}
    cell = np.stack([a.cell.array for a in FRAMES.atoms])
    np.savez(tmp_path / "ice.npz", **arrays, offsets=FRAMES.offsets, cell=cell, pbc=True, forces=forces)
    path = run_file(tmp_path, data="ice.npz", val_size=2, test_size=2)
    assert "forces of frame 5: not finite, taken as missing" in said(path, capsys, code=0)
    model = NeuralPotential.load(tmp_path / "log" / "model.safetensors")
    assert all(torch.isfinite(x).all() for x in model.state_dict().values())


def test_units(tmp_path, capsys) -> None:
    """Suspected by size; with the unit in the file they are right, and the model is that of eV."""
    other = replace(FRAMES, energy=FRAMES.energy / KCAL_PER_MOL, forces=FRAMES.forces / KCAL_PER_MOL)
    other = replace(other, stress=FRAMES.stress / KCAL_PER_MOL)
    sizes = {"val_size": 2, "test_size": 2, "steps": 4}
    path = run_file(tmp_path, frames=other, **sizes)
    assert "perhaps in kcal/mol/Å" in said(path, capsys, code=0)
    path = run_file(tmp_path, frames=other, units="kcal/mol", **sizes)
    assert "perhaps" not in said(path, capsys, "--overwrite", code=0)
    converted = NeuralPotential.load(tmp_path / "log" / "model.safetensors")
    assert main(["train", str(run_file(tmp_path, frames=FRAMES, **sizes)), "--overwrite"]) == 0
    expected = NeuralPotential.load(tmp_path / "log" / "model.safetensors")
    torch.testing.assert_close(converted.scale, expected.scale)
    torch.testing.assert_close(converted.e0, expected.e0)
    wrong = run_file(tmp_path, frames=other, units="kcal", **sizes)
    assert "units is 'kcal'; did you mean 'kcal/mol'" in said(wrong, capsys, "--overwrite")


def test_nothing_to_learn(tmp_path, capsys) -> None:
    only = replace(FRAMES, forces=np.full_like(FRAMES.forces, np.nan), stress=np.full_like(FRAMES.stress, np.nan))
    path = run_file(tmp_path, frames=only, derivative=True, forces_key=None, val_size=2, test_size=2)
    assert "derivative is true, but no frame of ice has forces" in said(path, capsys)
    path = run_file(tmp_path, frames=only, energy_weight=0, val_size=2, test_size=2)
    assert "nothing to learn: ice has energy" in said(path, capsys)
    assert "max_z is 5" in said(run_file(tmp_path, max_z=5), capsys)


def test_elements_that_a_model_has_not_seen(tmp_path, capsys) -> None:
    from ase.build import molecule

    potential = untrained(FRAMES, **SMALL)
    with pytest.raises(LabkitError, match="frame 0, atom 0: C is unknown to this model, which has seen H, O"):
        potential.evaluate(State.from_atoms(molecule("CH3OH")))
    potential.save(tmp_path / "ice.safetensors")
    methanol = molecule("CH3OH")
    methanol.info["energy"] = -30.0
    frames = Dataset.from_atoms([methanol] * 4)
    for k, atoms in enumerate(frames.atoms):
        atoms.rattle(0.01, seed=k)
    path = run_file(tmp_path, frames=frames, load_model="ice.safetensors", val_size=1, test_size=1)
    assert "C is unknown to this model, which has seen H, O" in said(path, capsys)


def test_elements_that_only_test_frames_have(tmp_path, capsys) -> None:
    from ase.build import molecule

    methanol = molecule("CH3OH")
    methanol.info["energy"] = -30.0
    frames = Dataset.from_atoms([*FRAMES[:4].frames(), methanol])
    np.savez(tmp_path / "splits.npz", idx_train=[0, 1], idx_val=[2, 3], idx_test=[4])
    path = run_file(tmp_path, frames=frames, splits="splits.npz")
    assert "frame 4, atom 0: C is unknown to this model, which has seen H, O" in said(path, capsys)


def test_the_unit_of_md17_is_converted_once(tmp_path, capsys) -> None:
    from datasets.test_md17 import frames

    np.savez(tmp_path / "rmd17.npz", **frames())
    path = run_file(tmp_path, data="rmd17.npz", units="kcal/mol", val_size=1, test_size=1)
    assert "units: those of MD17 are known; leave the key out" in said(path, capsys)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 GB")])
def test_out_of_memory(tmp_path, capsys, monkeypatch, error) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(command, "train", fails)
    assert "out of memory" in said(run_file(tmp_path), capsys) and not (tmp_path / "log" / "model.safetensors").exists()


def test_a_batch_larger_than_the_set(tmp_path, capsys) -> None:
    path = run_file(tmp_path, frames=FRAMES, batch=64, val_size=2, test_size=2, num_epochs=3, steps=None)
    assert "a batch of 64 frames, but there are 8; all of them are used" in said(path, capsys, code=0)
    assert NeuralPotential.load(tmp_path / "log" / "model.safetensors").metadata["steps"] == 3


def test_an_atom_alone() -> None:
    """Frames of one atom beside others, and nothing but these: an isolated atom has e0, whatever is learned."""
    alone = Dataset.from_arrays(
        np.zeros((2, 3)), [8, 1], offsets=[0, 1, 2], energy=np.array([-430.0, -13.0]), forces=np.zeros((2, 3))
    )
    potential = untrained(alone, e0_method="isolated", **SMALL)
    with pytest.warns(DatasetWarning):
        train(potential, alone, steps=3, batch=4)
    np.testing.assert_allclose(potential.evaluate(alone.state()).energy, [-430.0, -13.0])
    together = Dataset.from_atoms([*FRAMES[:4].frames(), *alone.frames()])
    mixed = untrained(together, e0_method="isolated", **SMALL)
    train(mixed, together, steps=3, batch=2)
    np.testing.assert_allclose(mixed.evaluate(alone.state()).energy, [-430.0, -13.0])


def test_a_cutoff_beyond_half_the_cell_is_right() -> None:
    """No limit: images are counted, so a cell and its supercell agree."""
    atoms = FRAMES.atoms[0]
    cutoff = 0.9 * min(atoms.cell.lengths())
    assert cutoff > 0.5 * min(atoms.cell.lengths())
    potential = untrained(FRAMES, channels=4, n_radial=4, cutoff=float(cutoff)).double()
    one, eight = (potential.evaluate(State.from_atoms(a)).energy[0] for a in (atoms, atoms.repeat(2)))
    torch.testing.assert_close(eight, 8 * one)


def changed(path, **header: str) -> None:
    """The same tensors under another header, with a valid digest."""
    with safe_open(path, framework="pt") as file:
        old = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    kept = {k: v for k, v in old.items() if k not in ("digest", "shapes")}
    save_file(tensors, path, sealed(kept | header, tensors))


def test_models_of_another_architecture_or_version(tmp_path, capsys) -> None:
    path = tmp_path / "m.safetensors"
    run = run_file(tmp_path, load_model="m.safetensors")
    config = NeuralConfig(**SMALL)
    for header, message in (
        ({"format": "labkit neural 2", "labkit": "9.9"}, "another version, written by labkit 9.9; this is 0.1.0"),
        ({"format": "labkit GAP 1"}, "this is not a neural potential of labkit"),
        ({"config": json.dumps(config.replace(network="painn").to_dict())}, "network 'painn' is unknown"),
        ({"config": json.dumps(config.replace(network="schnet").to_dict())}, "tensors that a schnet has not"),
        ({"config": json.dumps(config.replace(channels=8).to_dict())}, "has the shape"),
    ):
        untrained(FRAMES, config).save(path)
        changed(path, **header)
        found = said(run, capsys, "--overwrite")
        assert "m.safetensors" in found and message in found, found
    path.write_bytes(path.read_bytes()[:-100])
    assert "not a complete safetensors file" in said(run, capsys, "--overwrite")
    assert "epoch=3.ckpt" in said(run_file(tmp_path, load_model="epoch=3.ckpt"), capsys, "--overwrite")


def test_a_loss_that_is_not_finite_names_the_frame_of_the_file(tmp_path, capsys) -> None:
    untrained(FRAMES, **SMALL).save(tmp_path / "good.safetensors")
    forces = FRAMES.forces.copy()
    forces[FRAMES.offsets[3]] = 1e30  # its square is beyond single precision
    wild = replace(FRAMES, forces=forces)
    path = run_file(tmp_path, frames=wild, load_model="good.safetensors", val_size=0, test_size=0, steps=40)
    found = said(path, capsys)
    assert "the loss is not finite at step" in found and "which is frame 3 of the data" in found
    assert NeuralPotential.load(tmp_path / "good.safetensors").config == NeuralConfig(**SMALL)
