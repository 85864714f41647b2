"""A cache of designs on disk: a design that was built before is read, not computed again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from labkit.base import NO_PROGRESS, Progress
from labkit.config import config as run_config
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.files import atomic_write
from labkit.gap.checkpoint import RowCheckpoint, fingerprint, is_of_rows
from labkit.gap.config import GapConfig
from labkit.gap.design import Design

LIMIT = 2_000_000_000  # bytes; the designs used longest ago go first
_USED = ".used"  # a number that grows with each use of any design: clocks are set back


def grow_cached(
    train: Dataset,
    config: GapConfig,
    valid: Dataset | None = None,
    *,
    progress: Progress = NO_PROGRESS,
    folder: str | os.PathLike[str] | None = None,
    limit: int = LIMIT,
) -> Iterator[Design]:
    """Design.grow with rows kept in `folder` (config().cache/designs), under a name made of the settings and the data.

    A build that was stopped or killed is resumed. A folder that cannot be written is read; what it lacks is computed,
    and the design's notes say that it is not kept.
    """
    root = Path(folder) if folder is not None else run_config().cache / "designs"
    design = Design(train, config, valid)
    place = root / fingerprint(design)[:32]
    yield from design.growing(_CachedRows(place, design), progress)
    with suppress(LabkitError, OSError):  # one that is shared or read-only serves as it is
        atomic_write(place / _USED, str(1 + max(map(_used, root.iterdir()))))
        _prune(root, place, limit)


def build_cached(train: Dataset, config: GapConfig, valid: Dataset | None = None, **how) -> Design:
    """Design.build, from disk if it was built before; as `grow_cached`."""
    *_, design = grow_cached(train, config, valid, **how)
    return design


class _CachedRows(RowCheckpoint):
    """Rows that are also read where nothing can be written; what they are of, each file says itself."""

    def __init__(self, folder: Path, design: Design) -> None:
        self._notes, self._keep = design.notes, True
        try:
            super().__init__(folder, design)
        except (LabkitError, OSError) as error:
            self._note(error)

    def write(self, *batch: Any) -> None:
        self._try(super().write, *batch)

    def write_points(self, *points: Any) -> None:
        self._try(super().write_points, *points)

    def _try(self, write: Callable[..., None], *what: Any) -> None:
        try:
            if self._keep:
                write(*what)
        except (LabkitError, OSError) as error:
            self._note(error)

    def _note(self, error: Exception) -> None:
        self._keep = False
        self._notes.append(f"nothing is kept on disk: {error}")


def _prune(root: Path, kept: Path, limit: int) -> None:
    """Delete what is incomplete, and the designs used longest ago until all take less than `limit` bytes.

    Never the one just built, nor folders that are not labkit's.
    """
    folders = [path for path in root.iterdir() if path.is_dir() and path != kept and is_of_rows(path)]
    for path in folders:
        if not (path / "design.json").exists():  # another kernel that has just made it goes on without
            shutil.rmtree(path, ignore_errors=True)
    sizes = {path: _size(path) for path in root.iterdir() if path.is_dir()}
    total = sum(sizes.values())
    for path in sorted(sizes, key=lambda path: (_used(path), path.stat().st_mtime)):
        if total > limit and path in folders and path.exists():
            shutil.rmtree(path, ignore_errors=True)
            total -= sizes[path]


def _used(path: Path) -> int:
    try:
        return int((path / _USED).read_text())
    except (OSError, ValueError):
        return 0


def _size(path: Path) -> int:
    total = 0
    for file in path.iterdir():
        with suppress(FileNotFoundError):
            total += file.stat().st_size
    return total
