"""However a file is damaged: a Dataset or a LabkitError, never another error, and whole frames are never lost."""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labkit.datasets import DatasetWarning, load
from labkit.errors import LabkitError

FRAME = (
    '2\nLattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:forces:R:3 pbc="T T T" energy=-3.5 '
    'stress="1 0 0 0 1 0 0 0 1" note="_JSON {}"\nH 0 0 0 0.5 0 0\nH 0 0 0.7 -0.5 0 0\n'
)
GIVEN = {"energy_key": "energy", "forces_key": "forces", "stress_key": False}


def attempt(content, **keys):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "mine.xyz"
        path.write_bytes(content)
        try:
            return load(path, **keys)
        except LabkitError as error:
            assert "mine.xyz" in str(error)
            return None


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(FRAME) - 1), st.text(max_size=3), st.integers(0, 3))
@example(FRAME.index("Lattice"), "x", 7)
@example(FRAME.index('"9'), "", 1)
@example(FRAME.index("{}"), "[", 2)
@example(0, "\x1f", 0)
@example(2, "=", 0)
@example(0, "9" * 5000, 1)
def test_changed_anywhere(at, new, removed):
    text = FRAME[:at] + new + FRAME[at + removed :]
    attempt(text.encode())
    attempt(text.encode(), **GIVEN)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes(content):
    attempt(content)
    attempt(b"SQLite format 3\0" + content)
    attempt(b"- of Ulm" + content)
    attempt(b"\x1f\x8b" + content)
    attempt(b"\xfd7zXZ\x00" + content)


def test_cut_anywhere_keeps_the_whole_frames():
    text = FRAME * 3
    for length in range(len(FRAME) + 1, len(text) + 1):
        kept = attempt(text[:length].encode(), **GIVEN, keep_whole=True)
        whole = length // len(FRAME)
        if kept is not None:  # inside a line that still has all columns nothing shows
            assert len(kept) in (whole, whole + 1) and (kept.energy == -3.5).all()
        else:
            assert not text[:length].endswith("\n")


def test_a_number_cut_at_the_end_of_the_file_is_told(tmp_path):
    """A cut inside the last number leaves a whole frame with a wrong digit: only the missing line end shows it."""
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 0.74]])
    atoms.info["energy"], atoms.arrays["forces"] = -1.0, np.array([[0, 0, 0.125], [0, 0, -0.125]])
    path = tmp_path / "cut.xyz"
    write(path, atoms, format="extxyz")
    whole = path.read_text()
    path.write_text(whole.rstrip()[:-4])
    with pytest.warns(DatasetWarning, match="frame 0: the last line has no end"):
        load(path, energy_key="energy", forces_key="forces")
    path.write_text(whole)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(path, energy_key="energy", forces_key="forces")
