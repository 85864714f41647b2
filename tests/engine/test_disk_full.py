"""A disk that fills up on the way: a sentence from each writer, whole frames in the file, and the run goes on."""

import subprocess
import sys

import numpy as np
import pytest
from ase.io import read

from labkit.engine import simulate
from labkit.engine.observers import Dcd, ExtXyz, Hdf5, Record, Thermodynamics, Xtc
from tests.engine.toys import Ideal, Verlet, fluid

WRITERS = {
    "a.dcd": lambda path: Dcd(path, every=1),
    "a.extxyz": lambda path: ExtXyz(path, every=1),
    "a.h5": lambda path: Hdf5(path, every=1),
    "a.xtc": lambda path: Xtc(path, every=1),
    "a.csv": lambda path: Thermodynamics(path, every=1),
    "b.csv": lambda path: Record(lambda s: s.positions.reshape(1, -1), 1, path, names=[
        f"x{k}" for k in range(3 * fluid(4).system.n_atoms)]),
}  # fmt: skip
STEPS = 60


def go(folder, name):
    return simulate(
        fluid(4), Ideal(), Verlet(), STEPS, 1.0, observers=[WRITERS[name](folder / name)], checkpoint=folder / "c",
        checkpoint_every=5,
    )  # fmt: skip


def frames(path) -> int:
    """Whole frames, read by other programs."""
    if path.suffix == ".h5":
        import h5py

        with h5py.File(path) as file:
            (count,) = {len(data) for name, data in file.items() if name != "topology"}
            assert np.isfinite(file["coordinates"][:]).all()
            return count
    if path.suffix == ".extxyz":
        return len(read(path, ":"))
    if path.suffix == ".csv":
        lines = path.read_text().splitlines()
        assert len({line.count(",") for line in lines}) == 1
        return len(lines) - 1
    formats = pytest.importorskip("mdtraj.formats")
    kind = formats.DCDTrajectoryFile if path.suffix == ".dcd" else formats.XTCTrajectoryFile
    with kind(str(path)) as file:
        return len(file.read()[0])


@pytest.mark.parametrize("name", WRITERS)
def test_each_writer_ends_in_a_sentence_and_goes_on(name, tmp_path) -> None:
    """In a process of its own, which HDF5 would end with a segmentation fault."""
    pytest.importorskip({".h5": "h5py", ".xtc": "mdtraj"}.get(f".{name[2:]}", "numpy"))
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    go(whole, name)
    size, begin = (whole / name).stat().st_size, _size_of_the_start(tmp_path, name)
    room = begin + (size - begin) * 2 // 3
    code = f"""
import resource
from pathlib import Path
from labkit.errors import LabkitError
from tests.engine.test_disk_full import go, WRITERS
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))
try:
    go(Path({str(cut)!r}), {name!r})
except LabkitError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"{name}: cannot be written (File too large)" in done.stdout or "c: could not be written" in done.stdout
    if f"{name}:" in done.stdout:
        assert 3 < frames(cut / name) < STEPS
    assert go(cut, name).loop_step == STEPS
    assert (cut / name).read_bytes() == (whole / name).read_bytes() and frames(cut / name) == STEPS + 1


def _size_of_the_start(folder, name) -> int:
    """Bytes of the file with its first frame."""
    simulate(fluid(4), Ideal(), Verlet(), 0, 1.0, observers=[WRITERS[name](folder / name)])
    return (folder / name).stat().st_size
