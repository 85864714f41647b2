"""The shipped frames that lack a response to the electric field, and its computation for a requested number."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from labkit.base.progress import NO_PROGRESS, Progress
from labkit.datasets.dataset import Dataset
from labkit.datasets.ice import ice
from labkit.errors import LabkitError
from labkit.files import atomic_write
from labkit.oracles import LabelStore, Oracle
from tools.ice.labelling import label_frames

ORDER, LABELS = "order.txt", "labels"
Place = tuple[str, int]  # file of FILES, frame in it


def add_responses(
    folder: str | os.PathLike[str],
    oracle: Oracle,
    train: int = 200,
    valid: int = 50,
    workers: int = 1,
    progress: Progress = NO_PROGRESS,
    store: LabelStore | None = None,
) -> Dataset:
    """Label frames of the shipped ice until `train` and `valid` of them have a response; returns the new ones.

    order.txt in `folder` lists them, labels/ holds a file for each (see label_frames, also for `store`): a second call
    resumes, even if some were merged into data/ice meanwhile. Raises LabkitError if the folder was started for other
    numbers.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    sets = {"train": ice("train"), "valid": ice("valid")}
    path = folder / ORDER
    if not path.exists():
        lines = [f"{name} {k}" for name, k in frames_to_label(sets["train"], sets["valid"], train, valid)]
        atomic_write(path, "\n".join(lines) + "\n")
    order = read_order(folder)
    for name, count in (("train", train), ("valid", valid)):
        will = {k for which, k in order if which == name} | set(_places(sets[name], True))
        if len(will) != count:
            raise LabkitError(f"{path}: leads to {len(will)} {name} frames, not {count}; take another folder")
    frames = [sets[name].atoms[k] for name, k in order]
    return label_frames(frames, oracle, folder / LABELS, workers, progress, store)


def frames_to_label(train: Dataset, valid: Dataset, n_train: int, n_valid: int) -> list[Place]:
    """The frames to label: the first of the training set, which are nested sets, and evenly spread validation frames.

    One validation frame follows four training frames, so that a stopped run has some of both.
    """
    chosen: dict[str, list[int]] = {}
    for name, frames, count in (("train", train, n_train), ("valid", valid, n_valid)):
        missing, more = _places(frames, False), count - len(_places(frames, True))
        if not 0 <= more <= len(missing):
            raise LabkitError(
                f"{count} {name} frames with responses: {len(frames) - len(missing)} of {len(frames)} have them; "
                "expected a number between"
            )
        spread = [missing[int((i + 0.5) / more * len(missing))] for i in range(more)]
        chosen[name] = missing[:more] if name == "train" else spread
    order: list[Place] = []
    first, second = iter(chosen["train"]), iter(chosen["valid"])
    while len(order) < sum(map(len, chosen.values())):
        order += [("train", k) for _, k in zip(range(4), first)]
        order += [("valid", k) for _, k in zip(range(1), second)]
    return order


def read_order(folder: str | os.PathLike[str]) -> list[Place]:
    """The content of order.txt in a folder: the frame that each label file belongs to."""
    path = Path(folder) / ORDER
    if not path.is_file():
        raise LabkitError(f"{path}: there is no such file; expected a folder of python -m tools.ice --responses")
    found = [re.fullmatch(r"(train|valid) (\d+)", line) for line in path.read_text().splitlines()]
    if None in found:
        raise LabkitError(
            f"{path}, line {found.index(None) + 1}: expected train or valid and a frame, as in 'train 12'"
        )
    return [(match.group(1), int(match.group(2))) for match in found if match]


def _places(frames: Dataset, labelled: bool) -> list[int]:
    """The frames with a response, or without."""
    return np.flatnonzero(np.isfinite(frames.polarizability[:, 0, 0]) == labelled).tolist()
