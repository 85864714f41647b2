"""The worst atom of each frame: its error, and the largest σ."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from labkit.active.calibration.measures.perfect import largest
from labkit.active.calibration.samples import Samples
from labkit.active.uncertainty import Uncertainty
from labkit.base import Potential
from labkit.datasets import Dataset
from labkit.errors import LabkitError


class WorstAtoms(NamedTuple):
    """errors (S,) eV/Å and sigmas (S,) of frames, not always of the same atom; the run of each."""

    errors: np.ndarray
    sigmas: np.ndarray
    run: np.ndarray


def worst_atoms(uncertainty: Uncertainty, potential: Potential, frames: Dataset) -> WorstAtoms:
    """The largest error of a force, |ΔF|, and the largest σ, of each frame; all atoms need forces."""
    missing = np.flatnonzero(~np.isfinite(frames.forces).all(1))
    if len(missing):
        k = int(np.searchsorted(frames.offsets, missing[0], side="right")) - 1
        raise LabkitError(
            f"frame {k}, atom {missing[0] - frames.offsets[k]} has no force; frames that decide about a threshold need "
            "all of them"
        )
    samples = Samples.of(uncertainty, potential, frames, "atom")
    first = np.unique(samples.frame, return_index=True)[1]
    return WorstAtoms(
        largest(samples.errors, samples.frame), largest(samples.sigmas, samples.frame), samples.run[first]
    )
