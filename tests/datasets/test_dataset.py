"""Selecting, joining, hashing and handing frames to ASE."""

import numpy as np
import pytest

from labkit.datasets import Dataset, ice


@pytest.fixture(scope="module")
def ds():
    return ice("train", 20)


def test_selecting(ds):
    assert len(ds[3]) == 1 and len(ds[-1]) == 1 and ds[-1].hash == ds[19].hash
    assert ds[2:5].energy.tolist() == ds.energy[2:5].tolist()
    assert ds[[4, 1]].energy.tolist() == ds.energy[[4, 1]].tolist()
    low = ds.energy < np.median(ds.energy)
    assert len(ds[low]) == 10 and ds[low].forces.shape == (120, 3)
    np.testing.assert_array_equal(ds[[4, 1]].forces[12:], ds.forces[12:24])
    assert [len(one) for one in ds] == [1] * 20
    assert len(ds[[]]) == 0


def test_joining_and_hash(ds):
    assert (ds[:5] + ds[5:]).hash == ds.hash
    assert (ds[5:] + ds[:5]).hash != ds.hash
    changed = ds[:]
    changed.forces[7, 1] += 1e-12
    assert changed.hash != ds.hash
    assert len({ds[i].hash for i in range(20)}) == 20


def test_ase_frames_give_the_same_dataset(ds):
    frames = list(ds.frames())
    assert frames[3].get_potential_energy() == ds.energy[3]
    assert frames[3].info["trajectory"] == ds.info[3]["trajectory"]
    again = Dataset.from_atoms(frames)
    for name in ("energy", "forces", "polarizability", "born_charges"):
        np.testing.assert_array_equal(getattr(again, name), getattr(ds, name))
    np.testing.assert_allclose(again.stress, ds.stress, atol=1e-15)


def test_datasets_know_nothing_of_their_audit(repository):
    """Not even for types: the audit needs the data; only `load`, above both, has it look at what was read."""
    folder = repository / "labkit" / "datasets"
    files = [path for path in folder.rglob("*.py") if path.parent.name != "audit" and path.name != "reading.py"]
    assert len(files) > 10 and not [path.name for path in files if "datasets.audit" in path.read_text()]
