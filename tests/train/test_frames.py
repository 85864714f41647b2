"""The data sets that a training file may name, each trained for a few steps through the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from datasets.test_md17 import frames as md17_frames
from datasets.test_qm9 import ACETYLENE, HEADS, WATER

from labkit.cli import main
from labkit.datasets import ice
from labkit.datasets.e0 import average_e0
from labkit.datasets.qm9 import PARTS, qm9
from labkit.neural import NeuralPotential
from labkit.units import KCAL_PER_MOL

SMALL = {"steps": 3, "channels": 4, "n_radial": 4, "cutoff": 4.0, "val_size": 1, "test_size": 1, "num_workers": 2}


def trained(folder: Path, **values: object) -> NeuralPotential:
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump({**SMALL, "log_dir": str(folder / "log"), **values}))
    assert main(["train", str(path), "--overwrite"]) == 0
    return NeuralPotential.load(folder / "log" / "model.safetensors")


@pytest.mark.parametrize("place", ["", "MD17/raw", "raw"])
def test_md17(tmp_path, capsys, place) -> None:
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    np.savez(tmp_path / place / "rmd17_ethanol.npz", **md17_frames())
    found = trained(tmp_path, dataset="MD17", dataset_root=str(tmp_path), dataset_arg={"molecules": "revised_ethanol"})
    assert list(found.vocabulary) == ["H", "C", "O"] and 0.5 < float(found.scale) < 2
    assert "were in kcal/mol and are converted to eV" in capsys.readouterr().err


@pytest.mark.parametrize(
    "values",
    [{"dataset": "QM9", "dataset_arg": {"label": "energy_H"}}, {"data": "~/data/qm9", "label": "energy_H"}],
    ids=["today", "paper"],
)
def test_qm9(tmp_path, monkeypatch, values) -> None:
    data = tmp_path / "site" / "qm9pack" / "data"
    data.mkdir(parents=True)
    for part, rows in zip(PARTS, (WATER, ACETYLENE, WATER + ACETYLENE), strict=True):
        (data / part).write_text(HEADS + rows)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    found = trained(tmp_path, model="graph-network", num_interactions=1, layers=1, **values, val_size=0, seed=5)
    learned = qm9("energy_H", folder=data)[np.load(tmp_path / "log" / "splits.npz")["idx_train"]]
    expected = average_e0(learned)
    assert found.config.network == "schnet"
    assert dict(zip(found.vocabulary, found.e0.tolist(), strict=True)) == pytest.approx(expected)


def test_hdf5(tmp_path) -> None:
    h5py = pytest.importorskip("h5py")
    ds = ice("train", n=50)[:6]
    for k, part in enumerate((ds[:3], ds[3:])):
        with h5py.File(tmp_path / f"{k}.h5", "w") as file:
            file["g/pos"] = part.state().positions.numpy().reshape(3, 12, 3)
            file["g/types"], file["g/energy"] = ds.atoms[0].numbers, part.energy
            file["g/forces"] = part.forces.reshape(3, 12, 3)
    found = trained(tmp_path, dataset="HDF5", dataset_root="0.h5;1.h5", precision=64)
    assert list(found.vocabulary) == ["H", "O"] and found.dtype == torch.float64


def test_beads_in_kcal(tmp_path, capsys) -> None:
    """Forces only, as in coarse-graining: the model is that of eV, for beads named by their embeddings."""
    rng = np.random.default_rng(1)
    np.save(tmp_path / "c_coords.npy", rng.normal(scale=3, size=(8, 4, 3)).astype("f4"))
    np.save(tmp_path / "c_embeddings.npy", np.array([4, 4, 13, 2]))
    forces = rng.normal(scale=1.0, size=(8, 4, 3))
    np.save(tmp_path / "c_forces.npy", forces / KCAL_PER_MOL)
    patterns = {"coord_files": "c_coords*", "embed_files": "c_embed*", "force_files": "c_forces*", "derivative": True}
    found = trained(tmp_path, dataset="Custom", **patterns)
    said = capsys.readouterr().err
    assert "labels are taken as eV" in said and "perhaps in kcal/mol/Å" in said and "types of beads" in said
    assert float(found.scale) > 15
    found = trained(tmp_path, **patterns, units="kcal/mol", val_size=0, test_size=0)
    assert list(found.vocabulary) == ["13", "2", "4"] and not found.e0.any()
    torch.testing.assert_close(found.scale, torch.tensor(np.sqrt(np.mean(forces**2))), rtol=1e-6, atol=0)
    assert "perhaps" not in capsys.readouterr().err
