"""The shipped frames: whole, nested, apart from the validation set, and refused once changed."""

import re
import shutil

import numpy as np
import pytest
from ase.io import iread

from labkit.datasets import ice
from labkit.datasets.ice import FILES, data_folder
from labkit.errors import LabkitError


@pytest.fixture
def copy(tmp_path, monkeypatch):
    shutil.copytree(data_folder() / "ice", tmp_path / "ice")
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    return tmp_path / "ice"


@pytest.mark.parametrize(
    "name, frames", [("train", 400), ("valid", 100), ("normal_modes", 120), ("disordered", 196), ("minimum", 1)]
)
def test_sets_are_complete(name, frames):
    ds = ice(name)
    assert len(ds) == frames
    assert (ds.counts == 12).all() and ds.species.tolist() == [1, 8]
    for label in (ds.energy, ds.forces, ds.stress):
        assert np.isfinite(label).all()


def test_labels_are_those_in_the_file_as_ase_reads_it():
    ds = ice("valid")
    frames = list(iread(data_folder() / "ice" / FILES["valid"], ":", format="extxyz"))
    assert len(frames) == len(ds) > 0
    for i, atoms in enumerate(frames):
        assert atoms.get_potential_energy() == ds.energy[i]
        assert np.array_equal(atoms.get_forces(), ds[i].forces)
        assert np.array_equal(atoms.get_stress(voigt=False), ds.stress[i])
        assert np.array_equal(atoms.positions, ds.atoms[i].positions)


def test_training_sets_are_nested_and_spread():
    ds = ice("train")
    keys = [(info["trajectory"], info["sample"]) for info in ds.info]
    assert len(set(keys)) == 400
    for n in (50, 100, 200, 400):
        assert ice("train", n).hash == ds[:n].hash
        trajectories = np.bincount([t for t, _ in keys[:n]], minlength=16)
        assert trajectories.min() >= n // 16 and trajectories.max() <= n // 16 + 1
        early = np.mean([s < 12.5 for _, s in keys[:n]])
        assert 0.4 < early < 0.6


def test_validation_shares_no_trajectory_with_training():
    train = {info["trajectory"] for info in ice("train").info}
    valid = {info["trajectory"] for info in ice("valid").info}
    assert train == set(range(16)) and valid == {16, 17, 18, 19}


def test_frames_of_one_trajectory_are_correlated():
    """Why the validation set is not random: neighbours in time are closer than frames of other trajectories."""
    ds = ice("train") + ice("valid")
    where = {(i["trajectory"], i["sample"]): k for k, i in enumerate(ds.info)}
    x = np.array([a.positions - a.positions.mean(0) for a in ds.atoms])

    def distance(pairs):
        return np.median([np.sqrt(((x[where[a]] - x[where[b]]) ** 2).mean()) for a, b in pairs])

    neighbours = distance([((t, s), (t, s + 1)) for t in range(20) for s in range(24)])
    strangers = distance([((t, s), ((t + 7) % 20, s)) for t in range(20) for s in range(24)])
    assert neighbours < 0.8 * strangers


def test_stretched_bonds_pull_back():
    """Forces belong to their positions: the stretch of an O-H bond and the force along it are anticorrelated."""
    ds = ice("valid")
    stretch, pull = [], []
    for i, atoms in enumerate(ds.atoms):
        forces = ds[i].forces
        for h in np.flatnonzero(atoms.numbers == 1):
            oxygens = np.flatnonzero(atoms.numbers == 8)
            vectors = atoms.get_distances(h, oxygens, mic=True, vector=True)
            o = np.argmin(np.linalg.norm(vectors, axis=1))
            length = np.linalg.norm(vectors[o])
            stretch.append(length)
            pull.append((forces[h] - forces[oxygens[o]]) @ (-vectors[o] / length))
    assert np.corrcoef(stretch, pull)[0, 1] < -0.8


def test_polarizability_is_the_dielectric_tensor_times_the_volume():
    ds = ice("train")
    some = np.flatnonzero(np.isfinite(ds.polarizability[:, 0, 0]))
    assert len(some) >= 60
    for i in some:
        volume = ds.atoms[i].get_volume()
        expected = volume * (np.array(ds.info[i]["dielectric"]) - np.eye(3)) / (4 * np.pi)
        np.testing.assert_allclose(ds.polarizability[i], expected, rtol=1e-12)
        total = ds[int(i)].born_charges.sum(0)
        assert np.abs(total).max() < 0.5  # the acoustic sum rule, as far as one k-point goes


def test_the_readme_says_how_many_have_a_response():
    said = re.search(
        r"(\d+) frames of training and (\d+)\s+of validation", (data_folder() / "ice/README.md").read_text()
    )
    found = [int(np.isfinite(ice(name).polarizability[:, 0, 0]).sum()) for name in ("train", "valid")]
    assert found == [int(number) for number in said.groups()]


def test_unknown_name_is_suggested():
    with pytest.raises(LabkitError, match="did you mean 'valid'"):
        ice("validation")


@pytest.mark.parametrize("n", [0, -1, 401])
def test_wrong_number_of_frames(n):
    with pytest.raises(LabkitError, match="from 1 to"):
        ice("train", n)


def test_changed_file_is_refused(copy):
    path = copy / "valid.xyz.xz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(LabkitError, match=r"valid\.xyz\.xz: its content has changed.*git checkout"):
        ice("valid")
    assert len(ice("train", 1)) == 1


def test_missing_file_and_folder_are_named(copy, monkeypatch, tmp_path):
    (copy / "train.xyz.xz").unlink()
    with pytest.raises(LabkitError, match=r"train\.xyz\.xz: missing"):
        ice("train")
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(LabkitError, match="LABKIT_DATA"):
        ice("train")
