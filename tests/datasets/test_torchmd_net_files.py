"""Data sets of TorchMD-Net: HDF5 with groups, and .npy with embeddings."""

import numpy as np
import pytest

import labkit
from labkit.datasets import DatasetWarning
from labkit.datasets.torchmd_arrays import torchmd_arrays
from labkit.errors import LabkitError
from labkit.neural import untrained

h5py = pytest.importorskip("h5py")
RNG = np.random.default_rng(0)


def test_hdf5(tmp_path) -> None:
    positions = [RNG.normal(scale=3, size=(f, n, 3)).astype("f4") for f, n in ((3, 2), (2, 4))]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["_metadata/about"] = np.zeros(1)
        for k, (p, types) in enumerate(zip(positions, ([6, 8], [[6, 1, 1, 8], [7, 1, 1, 1]]), strict=True)):
            file[f"{k}/pos"], file[f"{k}/types"] = p, np.array(types)
            file[f"{k}/energy"] = -10.0 * np.arange(1, len(p) + 1)[:, None]
            if k:
                file[f"{k}/forces"] = np.ones_like(p)
    found = labkit.load(tmp_path / "a.h5")
    assert found.counts.tolist() == [2, 2, 2, 4, 4] and found.energy.tolist() == [-10, -20, -30, -10, -20]
    assert [a.get_chemical_formula() for a in found.atoms] == ["CO"] * 3 + ["CH2O", "H3N"]
    np.testing.assert_array_equal(found.atoms[4].positions, positions[1][1])
    assert np.isnan(found.forces[:6]).all() and (found.forces[6:] == 1).all()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"pos": (2, 3, 3), "energy": (2,)}, "group 'g': has no types"),
        ({"pos": (2, 9), "types": (3,), "energy": (2,)}, "pos has the shape"),
        ({"pos": (2, 3, 3), "types": (4,), "energy": (2,)}, "numbers has the shape"),
        ({"pos": (2, 3, 3), "types": (3,), "energy": (3,)}, "energy has the shape"),
        ({"pos": (2, 3, 3), "types": (3,)}, "neither energy nor forces"),
        ({}, "has no groups of frames"),
    ],
)
def test_odd_hdf5(tmp_path, names, message) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, shape in names.items():
            file[f"g/{name}"] = np.ones(shape)
    with pytest.raises(LabkitError, match=f"a.h5.*{message}"):
        labkit.load(tmp_path / "a.h5")


def test_hdf5_reads_no_other_file(tmp_path) -> None:
    (tmp_path / "secret").write_bytes(b"x" * 1000)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["g/types"], file["g/energy"] = np.array([1, 1]), np.zeros(1)
        group = file["g"]
        group.create_dataset("pos", (1, 2, 3), "f8", external=[(str(tmp_path / "secret"), 0, 48)])
    with pytest.raises(LabkitError, match="pos lies in another file"):
        labkit.load(tmp_path / "a.h5")
    (tmp_path / "b.h5").write_text("not HDF5")
    with pytest.raises(LabkitError, match="b.h5: not an HDF5 file"):
        labkit.load(tmp_path / "b.h5")


def arrays(folder, name: str, frames: int, embeddings: list[int], **labels: np.ndarray) -> None:
    np.save(folder / f"{name}_coords.npy", RNG.normal(scale=5, size=(frames, len(embeddings), 3)).astype("f4"))
    np.save(folder / f"{name}_embeddings.npy", np.array(embeddings))
    for key, values in labels.items():
        np.save(folder / f"{name}_{key}.npy", values)


def test_beads_of_embeddings(tmp_path) -> None:
    arrays(tmp_path, "one", 4, [4, 4, 13], forces=np.ones((4, 3, 3), "f4"))
    where = str(tmp_path / "one_")
    found = torchmd_arrays(f"{where}coords.npy", f"{where}embeddings.npy", force_files=f"{where}forces.npy")
    assert len(found) == 4 and found.species.tolist() == [0] and isinstance(found.atoms.positions.base, np.memmap)
    system = found.state([0, 2]).system
    assert [system.type_name(k) for k in range(6)] == ["4", "4", "13"] * 2
    assert list(untrained(found, channels=4).vocabulary) == ["13", "4"]
    assert np.isnan(found.energy).all() and found.forces.shape == (12, 3)


def test_several_molecules_and_elements(tmp_path) -> None:
    for name, frames, kinds in (("a", 2, [1, 8]), ("b", 3, [6, 1, 1])):
        arrays(tmp_path, name, frames, kinds, energy=np.arange(frames, dtype=float)[:, None])
    patterns = [str(tmp_path / f"*_{x}.npy") for x in ("coords", "embeddings", "energy")]
    found = torchmd_arrays(*patterns, elements=True)
    assert [a.get_chemical_formula() for a in found.atoms] == ["HO"] * 2 + ["CH2"] * 3
    assert found.energy.tolist() == [0, 1, 0, 1, 2] and [x["file"] for x in found.info] == [0, 0, 1, 1, 1]
    beads = torchmd_arrays(*patterns)
    assert [beads.state([3]).system.type_name(k) for k in range(3)] == ["6", "1", "1"]


def test_odd_arrays(tmp_path) -> None:
    arrays(tmp_path, "a", 2, [1, 2], forces=np.ones((2, 3, 3)), energy=np.ones(3))
    c, e, f, y = (str(tmp_path / f"a_{x}.npy") for x in ("coords", "embeddings", "forces", "energy"))
    for given, message in (
        ((c, e), "energy_files and force_files are missing"),
        ((c, e, None, f), r"a_forces.npy: has the shape \(2, 3, 3\); expected \(2, 2, 3\)"),
        ((c, e, y), r"a_energy.npy: has the shape \(3,\)"),
        ((c, c, None, c), "a_coords.npy: has the shape"),
        ((c, str(tmp_path / "none*.npy"), None, c), "embed_files: .*none.*: there is no such file"),
        ((c, e, None, str(tmp_path / "a_*.npy")), "force_files: .* names 4 files, but coord_files names 1"),
    ):
        with pytest.raises(LabkitError, match=message):
            torchmd_arrays(*given)
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(LabkitError, match=r"o.npy: could not be read as an array"):
        torchmd_arrays(c, str(tmp_path / "o.npy"), None, c)


def test_archives_of_objects_are_not_read(tmp_path) -> None:
    np.savez(tmp_path / "o.npz", nuclear_charges=np.array([{}], dtype=object), coords=np.zeros((1, 1, 3)))
    with pytest.raises(LabkitError, match=r"o.npz: could not be read as arrays"):
        labkit.load(tmp_path / "o.npz")


def test_nan_labels_of_hdf5_name_the_frame(tmp_path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["g/types"], file["g/pos"] = np.array([1, 1]), RNG.normal(scale=3, size=(3, 2, 3))
        file["g/energy"] = np.array([-1.0, np.nan, -1.5])
    with pytest.warns(DatasetWarning, match="energy of frame 1: not finite"):
        labkit.load(tmp_path / "a.h5")
