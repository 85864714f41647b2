"""Small files that hold very much: refused within a second, before the memory is full."""

import bz2
import gzip
import lzma
import time
import tracemalloc

import numpy as np
import pytest
from ase.build import molecule

import labkit
from labkit.datasets import Dataset
from labkit.errors import LabkitError


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2", "zst"])
def test_a_frame_of_many_atoms(kind, tmp_path, monkeypatch) -> None:
    """One that goes on and on as a frame would: only its size tells."""
    from labkit.datasets import streams

    monkeypatch.setattr(streams, "ALWAYS", 1_000_000)
    content = f"{10**8}\nProperties=species:S:1:pos:R:3\n".encode() + b"H 0.0 0.0 0.0\n" * 200_000
    path = tmp_path / "a.xyz"
    if kind == "zst":
        path.write_bytes(pytest.importorskip("zstandard").compress(content))
    else:
        path.write_bytes({"gz": gzip, "xz": lzma, "bz2": bz2}[kind].compress(content))
    began = time.perf_counter()
    tracemalloc.start()
    with pytest.raises(LabkitError, match="a.xyz: holds more than 100 times its size of 0.0 MB"):
        labkit.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.perf_counter() - began < 10 and peak < 50_000_000


def test_arrays(tmp_path, monkeypatch) -> None:
    from labkit.datasets import streams

    monkeypatch.setattr(streams, "ALWAYS", 5_000_000)
    path = tmp_path / "a.npz"
    frames = 500_000
    np.savez_compressed(path, numbers=np.array([1, 1]), positions=np.zeros((frames, 2, 3), np.float32))
    assert path.stat().st_size < 500_000
    with pytest.raises(LabkitError, match="a.npz: holds more than 100 times its size"):
        labkit.load(path)


def test_what_people_have_is_read(tmp_path) -> None:
    """A set without forces compresses well, and is not refused."""
    frames = []
    for _ in range(300):
        atoms = molecule("H2O")
        atoms.info["energy"] = -1.0
        frames.append(atoms)
    Dataset.from_atoms(frames, name="a").write(tmp_path / "a.xyz.gz")
    assert len(labkit.load(tmp_path / "a.xyz.gz")) == 300
