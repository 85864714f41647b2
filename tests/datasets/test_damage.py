"""However a file is damaged: a Dataset or a LabkitError, never another error, and whole frames are never lost."""

import tempfile
import warnings
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from labkit.datasets import load
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
