"""Labels of two levels, GFN2-xTB and PBE, in one store; each is there as soon as it is computed."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labkit.base.progress import NO_PROGRESS, Progress
from labkit.oracles import LabelStore, Oracle, PySCF, TBLite
from tools.ethanol.frames import available, set_frames
from tools.ethanol.sets import ORDER

LEVELS: dict[str, Oracle] = {
    "gfn2": TBLite("GFN2-xTB", accuracy=0.01),
    "pbe": PySCF("pbe", "def2-svp", conv_tol=1e-9, max_cycle=100, grid_level=4, auxbasis="def2-universal-jfit"),
}


@contextmanager
def label_store(folder: str | os.PathLike[str]) -> Iterator[LabelStore]:
    """The store of all labels in `folder`."""
    with LabelStore(Path(folder) / "labels.sqlite") as store:
        yield store


def label(folder: str | os.PathLike[str], level: str, name: str, progress: Progress = NO_PROGRESS) -> None:
    """Label a set; what is in the store is not computed again.

    Raises LabkitError, after all frames were tried, if some failed, and Stopped when `progress` asks to stop.
    """
    with label_store(folder) as store:
        for _ in LEVELS[level].label(set_frames(folder, name), store, progress=progress):
            pass


@dataclass(frozen=True)
class Status:
    """How many frames a set has (None: not yet made), and how many labels of each level."""

    name: str
    frames: int | None
    labels: dict[str, int]


def status(folder: str | os.PathLike[str]) -> list[Status]:
    """The state of each set."""
    with label_store(folder) as store:
        found = []
        for name in ORDER:
            if name not in available(folder):
                found.append(Status(name, None, dict.fromkeys(LEVELS, 0)))
                continue
            some = set_frames(folder, name)
            counts = {level: sum(store.get(a, oracle) is not None for a in some) for level, oracle in LEVELS.items()}
            found.append(Status(name, len(some), counts))
        return found


def seconds_per_label(folder: str | os.PathLike[str], level: str) -> float:
    """Median time of one calculation on one core [s]; NaN without any."""
    with label_store(folder) as store:
        spent = [c.core_seconds for c in store.calculations(LEVELS[level]) if c.outcome == "labelled"]
    return statistics.median(spent) if spent else float("nan")
