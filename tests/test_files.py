"""Files are the old ones or the whole new ones."""

import os
import stat

import pytest

from labkit.errors import LabkitError, suggest
from labkit.files import atomic_path, atomic_write


def test_interrupted_writing_leaves_the_old_file(tmp_path) -> None:
    path = tmp_path / "model.txt"
    atomic_write(path, "old")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["model.txt"]
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"


def test_written_files_are_as_readable_as_any(tmp_path) -> None:
    atomic_write(tmp_path / "a", "x")
    (tmp_path / "b").write_text("x")
    assert stat.S_IMODE(os.stat(tmp_path / "a").st_mode) == stat.S_IMODE(os.stat(tmp_path / "b").st_mode)


def test_where_nothing_can_be_written(tmp_path) -> None:
    with pytest.raises(LabkitError, match="nothing was changed. Choose a folder"):
        atomic_write(tmp_path / "missing" / "a", "x")


def test_suggestions() -> None:
    assert suggest("zeda", ["zeta", "delta"]) == "; did you mean 'zeta'?"
    assert suggest("cutoff", ["n_max"]) == ""
