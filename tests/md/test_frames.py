"""Coordinates in trajectories, models and lists of files: where each replica starts, and in which box."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import labkit.md.frames
from labkit.errors import LabkitError
from labkit.md import RunSettings, prepare
from labkit.md.frames import read_npz

formats = pytest.importorskip("mdtraj").formats

N = 5
SIDES = np.array([30.0, 40.0, 50.0])
KINDS = ["xtc", "trr", "dcd", "nc", "mdcrd", "crd", "pdb"]


def write(path: Path, where: np.ndarray, boxed: bool) -> None:
    """Frames (f, n, 3) Å as mdtraj writes them; models of a PDB file as text."""
    kind, count = path.suffix[1:], len(where)
    lengths, angles = (SIDES + np.zeros((count, 1)), np.full((count, 3), 90.0)) if boxed else (None, None)
    if kind in ("xtc", "trr"):
        with (formats.XTCTrajectoryFile if kind == "xtc" else formats.TRRTrajectoryFile)(str(path), "w") as file:
            box = (np.diag(SIDES / 10) if boxed else np.zeros((3, 3))) + np.zeros((count, 1, 1))
            file.write((where / 10).astype(np.float32), box=box.astype(np.float32))
    elif kind == "dcd":
        with formats.DCDTrajectoryFile(str(path), "w") as file:
            file.write(where, lengths, angles)
    elif kind == "nc":
        with formats.NetCDFTrajectoryFile(str(path), "w") as file:
            file.write(where, cell_lengths=lengths, cell_angles=angles)
    elif kind in ("mdcrd", "crd"):
        with formats.MDCRDTrajectoryFile(str(path), mode="w") as file:
            file.write(where, lengths)
    else:
        rows = ["CRYST1{:9.3f}{:9.3f}{:9.3f}  90.00  90.00  90.00 P 1           1".format(*SIDES)] if boxed else []
        for number, frame in enumerate(where, 1):
            rows.append(f"MODEL {number:8d}")
            for k, (x, y, z) in enumerate(frame, 1):
                rows.append(f"HETATM{k:5d}  C   UNK A{k:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           C")
            rows.append("ENDMDL")
        path.write_text("\n".join([*rows, "END", ""]))


def start(folder: Path, replicas: int, coordinates: object, **changes: object):
    (folder / "chain.xyz").write_text(f"{N}\n\n" + f"C {0} 0 0\n" * N)
    (folder / "chain.yaml").write_text("lj:\n  C: {sigma: 3.5, epsilon: 0.1}\n")
    values = {"topology": "chain.xyz", "forcefield": "chain.yaml", "coordinates": coordinates, "replicas": replicas}
    return prepare(RunSettings.from_dict({**values, **changes}, "run"), folder)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(KINDS), count=st.integers(1, 4), replicas=st.integers(1, 4), boxed=st.booleans(),
    files=st.integers(1, 3),
)  # fmt: skip
def test_each_replica_starts_from_its_frame(kind, count, replicas, boxed, files, tmp_path_factory):
    """As in TorchMD: its own where there are as many frames as replicas, else the first; all files count."""
    folder = tmp_path_factory.mktemp("frames")
    where = np.random.default_rng(count).uniform(-9, 9, (files, count, N, 3)).round(2)
    names = [f"part{k}.{kind}" for k in range(files)]
    for name, frames in zip(names, where):
        write(folder / name, frames, boxed)
    prepared = start(folder, replicas, names if files > 1 else names[0])
    found = prepared.state.positions.reshape(replicas, N, 3).numpy()
    frames = where.reshape(-1, N, 3)
    own = len(frames) == replicas
    np.testing.assert_allclose(found, frames if own else frames[:1].repeat(replicas, 0), atol=0.006)
    assert (prepared.notes == ()) == (own or len(frames) == 1)
    assert bool(prepared.state.system.pbc.all()) == boxed and bool(prepared.state.system.pbc.any()) == boxed
    np.testing.assert_allclose(prepared.state.cell.numpy(), [np.diag(SIDES) * boxed] * replicas, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_other_atoms_or_of_none(kind, tmp_path):
    path = tmp_path / f"other.{kind}"
    write(path, np.random.default_rng(0).uniform(-9, 9, (1, N + 2, 3)), False)
    with pytest.raises(LabkitError, match=f"other.{kind}|give files of one system"):
        start(tmp_path, 1, path.name)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(LabkitError, match=f"other.{kind}"):
        start(tmp_path, 1, path.name)
    with pytest.raises(LabkitError, match=f"none.{kind}: there is no such file"):
        start(tmp_path, 1, f"none.{kind}")


def test_boxes_of_some_files_only(tmp_path):
    for name, boxed in (("a.pdb", True), ("b.pdb", False)):
        write(tmp_path / name, np.zeros((1, N, 3)) + np.arange(N)[:, None], boxed)
    with pytest.raises(LabkitError, match="some of the files have a box, others none"):
        start(tmp_path, 2, ["a.pdb", "b.pdb"])
    (tmp_path / "box.xsc").write_text("# NAMD\n0 60 0 0 0 60 0 0 0 60 0 0 0\n")
    assert start(tmp_path, 2, ["a.pdb", "b.pdb"], extended_system="box.xsc").state.cell[1, 2, 2] == 60


def test_a_trajectory_is_not_read_to_its_end(tmp_path, monkeypatch):
    """Starting from a long one costs its first frames."""
    asked = []
    read = formats.XTCTrajectoryFile.read
    write(tmp_path / "long.xtc", np.zeros((50, N, 3)), False)

    class Counting(formats.XTCTrajectoryFile):
        def read(self, n_frames=None, **how):
            asked.append(n_frames)
            return read(self, n_frames=n_frames, **how)

    monkeypatch.setattr(formats, "XTCTrajectoryFile", Counting)
    start(tmp_path, 2, "long.xtc")
    assert asked == [3]


def test_npz_of_torchmd(tmp_path):
    np.savez(
        tmp_path / "water.npz", z=[8, 1, 1], coord=[[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]], bonds=[[0, 1], [0, 2]]
    )
    (tmp_path / "water.yaml").write_text("lj:\n  O: {sigma: 3.15, epsilon: 0.15}\n  H: {sigma: 0.4, epsilon: 0.04}\n")
    prepared = prepare(RunSettings.from_dict({"npz_file": "water.npz", "forcefield": "water.yaml"}, "run"), tmp_path)
    assert prepared.state.system.numbers.tolist() == [8, 1, 1] and len(prepared.state.system.bonds) == 2
    assert prepared.state.system.masses.tolist() == pytest.approx([15.999, 1.008, 1.008])
    for name, data in {"z": [8, 1], "coord": np.zeros((3, 2)), "none": 0}.items():
        values = {"z": [8, 1, 1], "coord": np.zeros((3, 3)), name: data}
        np.savez(tmp_path / "water.npz", **{key: x for key, x in values.items() if name != "none" or key != "z"})
        with pytest.raises(LabkitError, match=r"npz_file: .*water.npz"):
            prepare(RunSettings.from_dict({"npz_file": "water.npz", "forcefield": "water.yaml"}, "run"), tmp_path)


@pytest.mark.parametrize("box", [[20, 30, 40], [[20, 30, 40]], np.diag([20, 30, 40]), [20, 30, 40, 90, 90, 90]])
def test_boxes_of_npz(tmp_path, box):
    np.savez(tmp_path / "one.npz", z=[18], coord=[[0.0, 0, 0]], box=box)
    np.testing.assert_allclose(read_npz(tmp_path / "one.npz")[1].boxes[0], np.diag([20, 30, 40]), atol=1e-12)
    np.savez(tmp_path / "one.npz", z=[18], coord=[[0.0, 0, 0]], box=np.ravel(box)[1:])
    with pytest.raises(LabkitError, match=r"npz_file: .*one.npz: box"):
        read_npz(tmp_path / "one.npz")


def test_damaged_npz(tmp_path, monkeypatch):
    """Cut anywhere, no zip, a bit flipped, more than memory holds: a sentence."""
    path, values = tmp_path / "water.npz", {"npz_file": "water.npz", "forcefield": "water.yaml"}
    (tmp_path / "water.yaml").write_text("lj:\n  O: {sigma: 3.15, epsilon: 0.15}\n  H: {sigma: 0.4, epsilon: 0.04}\n")
    np.savez_compressed(path, z=[8, 1, 1], coord=[[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    whole = path.read_bytes()
    damaged = [whole[: k * len(whole) // 9] for k in range(9)]
    damaged += [whole[:k] + bytes([whole[k] ^ 4]) + whole[k + 1 :] for k in range(30, 200, 17)]
    read = 0
    for data in damaged:
        path.write_bytes(data)
        try:
            prepare(RunSettings.from_dict(values, "run"), tmp_path)
            read += 1  # a bit of a date
        except LabkitError as error:
            assert "water.npz" in str(error)
    assert read < 5
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "one.npy").rename(path)
    with pytest.raises(LabkitError, match=r"water.npz: cannot be read as arrays"):
        prepare(RunSettings.from_dict(values, "run"), tmp_path)
    monkeypatch.setattr(labkit.md.frames, "LARGEST", 2**20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("z.npy", bytes(3 * 2**20))
    with pytest.raises(LabkitError, match=r"water.npz: 3 MB when unpacked"):
        prepare(RunSettings.from_dict(values, "run"), tmp_path)
