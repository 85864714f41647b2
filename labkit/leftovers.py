"""Temporary files of this process, and those that killed processes left behind."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: what is left over cannot be told from what is being written, and stays
    fcntl = None

_MOST = 2000  # entries


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """A new empty file `.NAME.????????.tmp` beside `path`, removed in the end; its lock says that it is in use."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent or ".", prefix=f".{path.name}.", suffix=".tmp")
        _lock(handle)
        if os.path.exists(name):  # else another process took it for one that was left over
            break
        os.close(handle)
    if not fcntl:
        os.close(handle)  # Windows cannot rename an open file
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
        if fcntl:
            os.close(handle)


@contextmanager
def locked_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `parent`, removed in the end; `remove_folders` removes it after a kill, and not before."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with contextlib.suppress(FileNotFoundError):  # as above
            mark = open(folder / ".lock", "wb")  # noqa: SIM115 (held until the folder is removed)
            _lock(mark.fileno())
            if folder.exists():
                break
            mark.close()
    try:
        yield folder
    finally:
        mark.close()
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove what writers of `name`, or of any file where the folder is labkit's own, left when they were killed.

    Only the first entries of a folder are looked at: it may hold a file for each step of a run.
    """
    known = re.compile(rf"\.{'.+' if name is None else re.escape(name)}\.[a-z0-9_]{{4,}}\.tmp")
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in islice(entries, _MOST):
            if known.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove(Path(entry), Path(entry))


def remove_folders(parent: Path, prefix: str) -> None:
    """Remove folders that a killed process made by `locked_folder`."""
    for left in parent.glob(f"{prefix}????????"):
        if left.is_dir() and not left.is_symlink():
            _remove(left / ".lock", left)


def _lock(handle: int) -> None:
    """Lock an open file for this process, waiting for those who look whether it is left over."""
    with contextlib.suppress(OSError):  # some network file systems have no locks
        if fcntl:
            fcntl.flock(handle, fcntl.LOCK_EX)


def _remove(mark: Path, left: Path) -> None:
    """Remove a file or folder unless a living process has locked its mark."""
    if not fcntl:
        return
    with contextlib.suppress(OSError), open(mark, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()
