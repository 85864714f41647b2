"""Recompute labelled frames and report how far the new labels are from the old ones."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from labkit.base.progress import NO_PROGRESS, Progress
from labkit.datasets.dataset import Dataset
from labkit.errors import LabkitError
from labkit.oracles import Oracle
from labkit.units import GPA, MEV
from tools.ice.labelling import label_frames

#: Differences between versions of pw.x, libraries and processors: far below what a potential learns.
TOLERANCE = {"energy": 0.1, "forces": 1.0, "stress": 0.01, "polarizability": 0.01, "born_charges": 0.01}


@dataclass(frozen=True)
class Deviation:
    """Largest absolute deviations of one frame; NaN where either side has no label.

    energy meV/atom, forces meV/Å, stress GPa, polarizability Å^3, born_charges e.
    """

    frame: int
    origin: str
    energy: float
    forces: float
    stress: float
    polarizability: float
    born_charges: float

    @property
    def within_tolerance(self) -> bool:
        """True if energy and forces were compared and nothing deviates by more than TOLERANCE."""
        compared = np.isfinite([self.energy, self.forces]).all()
        return bool(compared) and not any(getattr(self, name) > limit for name, limit in TOLERANCE.items())


def check(
    frames: Dataset,
    oracle: Oracle,
    folder: str | os.PathLike[str],
    workers: int = 1,
    progress: Progress = NO_PROGRESS,
) -> list[Deviation]:
    """Label the structures of `frames` again, in `folder` (see label_frames), and compare frame by frame."""
    if not len(frames):
        raise LabkitError("no frames to check")
    again = label_frames(frames.atoms, oracle, folder, workers, progress)
    return [_compare(i, frames[i], again[i]) for i in range(len(frames))]


def _compare(i: int, old: Dataset, new: Dataset) -> Deviation:
    def largest(name: str) -> float:
        return float(np.abs(getattr(new, name) - getattr(old, name)).max())

    where = " ".join(f"{key} {old.info[0][key]}" for key in ("set", "trajectory", "sample") if key in old.info[0])
    return Deviation(
        i,
        where,
        largest("energy") / old.counts[0] / MEV,
        largest("forces") / MEV,
        largest("stress") / GPA,
        largest("polarizability"),
        largest("born_charges"),
    )
