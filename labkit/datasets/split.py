"""Splitting frames into training and validation frames, and what one set then gives away of the other."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from labkit.datasets.labels import DatasetWarning
from labkit.datasets.source import of_split, remember
from labkit.errors import LabkitError, suggest

if TYPE_CHECKING:
    from labkit.datasets.dataset import Dataset

BLOCKS, RANDOM = "blocks", "random"
#: Names under which files say which run a frame comes from.
GROUPS = ("trajectory", "group", "config_type", "molecule", "replica")
PIECES = 10  # of the frames, of which some become validation frames


class Split(NamedTuple):
    """Rows of the training and of the validation frames, and the name of the info that groups them, or ""."""

    train: np.ndarray
    valid: np.ndarray
    group: str


def grouping(frames: Dataset) -> str:
    """The info that says which run each frame comes from, or "" if nothing does.

    >>> from labkit.datasets import ice
    >>> grouping(ice("train", n=50))
    'trajectory'
    """
    infos = list(frames.info)
    for name in GROUPS:
        values = {str(info[name]) for info in infos if name in info}
        if len(values) > 1 and all(name in info for info in infos):
            return name
    return ""


def split_rows(frames: Dataset, valid: float, by: str, seed: int) -> Split:
    """Rows of both sets; see `Dataset.split`."""
    n = len(frames)
    if not 0 < valid < 1:
        raise LabkitError(f"valid is {valid}; expected the part of the frames to validate on, as in 0.2")
    if n < 2:
        raise LabkitError(f"{frames.name or 'the data'}: {n} frame cannot be split; give two or more")
    by = by or grouping(frames) or BLOCKS
    wanted = min(max(round(valid * n), 1), n - 1)
    random = np.random.default_rng(seed)
    if by == RANDOM:
        chosen = random.permutation(n)[:wanted]
        return _rows(chosen, n, "")
    if by == BLOCKS:
        return _rows(_last_pieces(n, wanted), n, "")
    groups = _groups(frames, by)
    names = list(dict.fromkeys(groups))
    if len(names) < 2:
        raise LabkitError(f"all frames have the same {by}, {names[0]!r}; split them by {BLOCKS!r} or {RANDOM!r}")
    chosen, count = [], 0
    for k in random.permutation(len(names)):
        size = groups.count(names[k])
        if len(chosen) < len(names) - 1 and (not chosen or abs(count + size - wanted) < abs(count - wanted)):
            chosen, count = [*chosen, names[k]], count + size
    return _rows(np.flatnonzero([group in chosen for group in groups]), n, by)


def parts(frames: Dataset, found: Split, valid: float, by: str, seed: int) -> tuple[Dataset, Dataset]:
    """The training and the validation frames, which remember how they were split off."""
    call = of_split(frames.source, valid, by or found.group or BLOCKS, seed)
    train, kept = frames[found.train], frames[found.valid]
    return remember(train, call and f"{call}[0]"), remember(kept, call and f"{call}[1]")


def beside(frames: Dataset, found: Split) -> int:
    """How many validation frames come right before or after a training frame, of the same group if there are groups."""
    name, n = grouping(frames), len(frames)
    groups = _groups(frames, name) if name else [""] * n
    learned = np.zeros(n, bool)
    learned[found.train] = True
    return sum(
        any(0 <= j < n and learned[j] and groups[j] == groups[k] for j in (k - 1, k + 1)) for k in found.valid.tolist()
    )


def leak(frames: Dataset, found: Split) -> str:
    """What the training frames give away of the validation frames, in a sentence or two."""
    if found.group:
        return f"No {found.group} is in both sets: nothing leaks, if each is a run of its own."
    total, name, near = len(found.valid), grouping(frames), beside(frames, found)
    words = f"{near} of {total} validation frames come right before or after a training frame"
    shared = 0
    if name:
        groups = _groups(frames, name)
        learned = {groups[k] for k in found.train}
        shared = sum(groups[k] in learned for k in found.valid)
        words += f", and {shared} belong to a {name} that was trained on"
    if not near + shared:
        return f"{words}: little leaks."
    remedy = f"split by {name}" if name else "blocks leak less than random frames" if near > total / 2 else ""
    return f"{words}: frames of one run are alike, so the error is too small{'; ' * bool(remedy)}{remedy}."


def warn_of_leak(frames: Dataset, found: Split) -> None:
    """A DatasetWarning if more than half of the validation frames have a training frame beside them."""
    if not found.group and beside(frames, found) > len(found.valid) / 2:
        warnings.warn(leak(frames, found), DatasetWarning, stacklevel=3)


def _rows(valid: Sequence[int] | np.ndarray, n: int, group: str) -> Split:
    chosen = np.sort(np.asarray(valid, dtype=int))
    return Split(np.setdiff1d(np.arange(n), chosen), chosen, group)


def _last_pieces(n: int, wanted: int) -> np.ndarray:
    """`wanted` rows in blocks: the ends of equal stretches of the file, so that both sets span all of it."""
    stretches = max(1, min(round(PIECES * wanted / n), wanted, n - wanted))
    lengths, sizes = (np.diff(np.arange(stretches + 1) * total // stretches) for total in (n, wanted))
    ends = np.cumsum(lengths)
    return np.concatenate([np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)])


def _groups(frames: Dataset, name: str) -> list[str]:
    infos: list[dict[str, Any]] = list(frames.info)
    missing = [k for k, info in enumerate(infos) if name not in info]
    if missing:
        known = sorted({key for info in infos for key in info} | {BLOCKS, RANDOM})
        raise LabkitError(
            f"by is {name!r}, but frame {missing[0]} has no such info; expected {BLOCKS!r}, {RANDOM!r} or one of the "
            f"frames' info: {', '.join(known)}{suggest(name, known)}"
        )
    return [str(info[name]) for info in infos]
