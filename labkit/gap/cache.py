"""A cache of designs on disk: a design that was built before is read, not computed again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from labkit.base import NO_PROGRESS, Progress
from labkit.config import config as run_config
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap.checkpoint import fingerprint
from labkit.gap.config import GapConfig
from labkit.gap.design import Design

LIMIT = 2_000_000_000  # bytes; the designs used longest ago go first


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

    A build that was stopped or killed is resumed. If the folder cannot be used, the design is built without it, and its
    notes say so.
    """
    root = Path(folder) if folder is not None else run_config().cache / "designs"
    place = root / fingerprint(Design(train, config, valid))[:32]
    seen = False
    try:
        for design in Design.grow(train, config, valid=valid, progress=progress, checkpoint=place):
            seen = True
            yield design
        os.utime(place)
        _prune(root, place, limit)
    except (LabkitError, OSError) as error:
        if isinstance(error, LabkitError) and not seen and not _concerns(place, error):
            raise  # bad frames or settings: the same without a cache
        for design in Design.grow(train, config, valid=valid, progress=progress):
            note = f"nothing is kept on disk: {error}"
            if note not in design.notes:
                design.notes.append(note)
            yield design


def build_cached(train: Dataset, config: GapConfig, valid: Dataset | None = None, **how) -> Design:
    """Design.build, from disk if it was built before; as `grow_cached`."""
    *_, design = grow_cached(train, config, valid, **how)
    return design


def _concerns(place: Path, error: LabkitError) -> bool:
    return isinstance(error.__cause__, OSError) or str(place) in str(error)


def _prune(root: Path, kept: Path, limit: int) -> None:
    """Delete the designs used longest ago until all take less than `limit` bytes; but never the one just built."""
    sizes = {path: sum(f.stat().st_size for f in path.iterdir()) for path in root.iterdir() if path.is_dir()}
    total = sum(sizes.values())
    for path in sorted(sizes, key=lambda path: path.stat().st_mtime):
        if total > limit and path != kept and (path / "design.json").exists():  # only labkit's own folders
            shutil.rmtree(path, ignore_errors=True)
            total -= sizes[path]
