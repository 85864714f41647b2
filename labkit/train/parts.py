"""Training, validation and test frames, split as in TorchMD-Net, and the file that stores the split."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labkit.datasets import Dataset
from labkit.datasets.array_files import ODD
from labkit.datasets.split import grouping, split_rows
from labkit.errors import LabkitError
from labkit.files import atomic_write
from labkit.train.settings import TrainingFile

NAMES = ("idx_train", "idx_val", "idx_test")


@dataclass(frozen=True, eq=False)
class SplitRows:
    """Rows of the training, validation and test frames.

    leak   a note, if frames of one run are in several of the sets
    """

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    leak: str = ""

    def write(self, path: Path) -> None:
        """Write them as TorchMD-Net's splits.npz, completely or not at all."""
        buffer = io.BytesIO()
        np.savez(buffer, **dict(zip(NAMES, (self.train, self.valid, self.test), strict=True)))
        atomic_write(path, buffer.getvalue())


def split(frames: Dataset, file: TrainingFile, path: Path | None) -> SplitRows:
    """Rows from the `splits` file at `path`, or by sizes and seed. Raises LabkitError if no training frame is left.

    >>> from labkit.datasets import ice
    >>> rows = split(ice("train", n=50), TrainingFile(val_size=0.1, test_size=10), None)
    >>> len(rows.train), len(rows.valid), len(rows.test), rows.leak[:60]
    (35, 5, 10, 'training and test frames are of one trajectory and alike, so')
    """
    if path is not None:
        found = _read(path, len(frames))
    elif file.split_by == "random":
        found = _random(frames, file)
    else:
        found = _grouped(frames, file)
    if not len(found.train):
        raise LabkitError(
            f"{frames.name}: of {len(frames)} frames {len(found.valid)} are for validation and {len(found.test)} for "
            "the test, none is left to train on; change val_size and test_size"
        )
    return found


def _random(frames: Dataset, file: TrainingFile) -> SplitRows:
    """As in TorchMD-Net: training, validation and test frames are consecutive parts of a permutation by the seed."""
    n = len(frames)
    sizes = [file.train_size, file.val_size, file.test_size]
    counts = [round(n * x) if isinstance(x, float) else x for x in sizes]
    if counts[0] is None:
        counts[0] = max(n - sum(x or 0 for x in counts[1:]), 0)
    excess = sum(x or 0 for x in counts) - n
    last = max((k for k in range(3) if isinstance(sizes[k], float)), default=None)
    if excess > 0 and last is not None and excess <= 2:
        counts[last] = max(counts[last] - excess, 0)  # the rounding
    if sum(x or 0 for x in counts) > n:
        raise LabkitError(f"{frames.name}: {n} frames are fewer than train_size, val_size and test_size together")
    ends = np.cumsum([0, *(x or 0 for x in counts)])
    order = np.random.default_rng(file.seed).permutation(np.arange(n))
    train, valid, test = (order[a:b] for a, b in zip(ends, ends[1:]))
    name = grouping(frames)
    leak = ""
    if name and len(valid) + len(test):
        leak = (
            f"training and test frames are of one {name} and alike, so the errors are too small; split_by: {name} "
            "keeps them apart"
        )
    return SplitRows(train, valid, test, leak)


def _grouped(frames: Dataset, file: TrainingFile) -> SplitRows:
    """Whole groups, or blocks of frames: first the test set, then the validation set from the rest."""
    left, parts = np.arange(len(frames)), []
    for size in (file.test_size, file.val_size):
        part = (size or 0) / len(left) if isinstance(size, int) else (size or 0.0) * len(frames) / len(left)
        if not part:
            parts.append(left[:0])
            continue
        rows = split_rows(frames[left], min(part, 0.999), file.split_by, file.seed)
        parts.append(left[rows.valid])
        left = left[rows.train]
    train = left
    if file.train_size is not None:
        count = round(len(frames) * file.train_size) if isinstance(file.train_size, float) else file.train_size
        train = np.random.default_rng(file.seed).permutation(left)[:count]
    return SplitRows(train, parts[1], parts[0])


def _read(path: Path, n: int) -> SplitRows:
    try:
        with np.load(path, allow_pickle=False) as file:
            rows = [np.asarray(file[name]) for name in NAMES]
    except (*ODD, AttributeError) as error:
        raise LabkitError(
            f"splits: {path}: cannot be read as {', '.join(NAMES)} ({error}); expected a splits.npz of an earlier "
            "training"
        ) from error
    every = np.concatenate([x.reshape(-1) for x in rows])
    whole = all(x.dtype.kind in "iu" or not x.size for x in rows) and all(x.ndim == 1 for x in rows)
    if not whole or (every < 0).any() or (every >= n).any() or len(np.unique(every)) < len(every):
        raise LabkitError(f"splits: {path}: expected rows of {n} frames, each in one part at most; it is of other data")
    return SplitRows(*(x.astype(int) for x in rows))
