"""Threshold: the σ below which frames are accepted without a label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from labkit.active.calibration.bounds import frames_needed, upper_bound
from labkit.active.calibration.correlation import inefficiency
from labkit.active.calibration.marks import fitted_to, frame_marks, marks_of, refuse
from labkit.active.calibration.measures.arrays import check_share, checked
from labkit.active.calibration.worst import worst_atoms
from labkit.active.uncertainty import Uncertainty
from labkit.base import Potential
from labkit.datasets import Dataset
from labkit.errors import LabkitError


@dataclass(frozen=True)
class Threshold:
    """Frames with σ <= sigma are accepted: at least `share` of them have errors <= bound, with this confidence.

    accepted, failures   of the frames that it was fitted to, and those above the bound
    independent          how many independent frames the accepted ones are worth
    frames               marks of all frames that it was fitted to
    """

    sigma: float
    bound: float
    share: float
    confidence: float
    accepted: int
    failures: int
    independent: int
    frames: tuple[str, ...] = ()


def threshold(
    errors: Any,
    sigmas: Any,
    bound: float,
    *,
    share: float = 0.95,
    confidence: float = 0.95,
    trajectory: Any = None,
) -> Threshold:
    """The largest σ for which these frames show that few enough accepted ones exceed the bound.

    trajectory   run of each frame, in order of time, whose frames count by their effective number; None if they are
                 independent, as drawn at random from all that will be asked about

    Thresholds that accept 59, 93, 124, ... frames, the fewest with which k = 0, 1, 2, ... failures pass the
    Clopper-Pearson bound, are tested in ascending order up to the first that does not pass. The order is fixed
    beforehand, so that a threshold is passed wrongly with a probability of 1 - confidence at most. The first accepts up
    to a quarter of the frames and allows up to three failures, so that one among the most certain frames does
    not end the sequence.
    Raises LabkitError if even the first does not pass.
    Source: Angelopoulos, Bates, Candès, Jordan, Lei, Ann. Appl. Stat. 19, 1641 (2025), fixed-sequence testing.

    >>> threshold([0.1] * 59, np.linspace(0.01, 0.02, 59), bound=0.15).sigma
    0.02
    """
    e, s = checked(errors, sigmas)
    check_share(share, "share")
    check_share(confidence, "confidence")
    g = 1.0 if trajectory is None else inefficiency(e, trajectory)
    counts = _counts(len(e), share, confidence, g)
    if not counts:
        raise LabkitError(
            f"too few frames: {len(e)}, worth {int(len(e) / g)} independent ones; {share:g} of them with a confidence "
            f"of {confidence:g} needs {frames_needed(share, confidence)} without failure"
        )
    ordered, best = np.sort(s), None
    for count in counts:
        sigma = float(ordered[count - 1])
        mine = s <= sigma
        failures = int((e[mine] > bound).sum())
        independent, failed = effective_counts(int(mine.sum()), failures, g)
        if upper_bound(failed, independent, confidence) > 1 - share + 1e-12:
            if best is None:
                raise LabkitError(
                    f"{failures} of the {mine.sum()} frames of the smallest sigmas exceed {bound:g}, so that no "
                    f"threshold shows that {share:g} of the accepted frames do not; label more frames, improve the "
                    "model, or allow a larger bound"
                )
            break
        best = Threshold(sigma, bound, share, confidence, int(mine.sum()), failures, independent)
    return best


@lru_cache(maxsize=64)
def _counts(n: int, share: float, confidence: float, g: float) -> tuple[int, ...]:
    """How many of n frames the thresholds accept that are tested."""
    steps = [k for k in range(n) if k < 8 or k % (1 << (k.bit_length() - 3)) == 0]  # about four to each power of two
    found = []
    for k in steps:
        if (count := int(np.ceil(frames_needed(share, confidence, k) * g - 1e-9))) > n:
            break
        found.append(count)
    first = max(0, sum(count <= n / 4 for count in found[:4]) - 1)
    return tuple(sorted({*found[first:], n})) if found else ()


def effective_counts(n: int, failures: int, g: float) -> tuple[int, int]:
    """Independent frames, rounded down, and failures among them, rounded up; not fewer frames than failures.

    >>> effective_counts(100, 3, 2.0)
    (50, 2)
    """
    failed = int(np.ceil(failures / g - 1e-9))
    return max(int(n / g + 1e-9), failed, 1), failed


def threshold_of(
    uncertainty: Uncertainty,
    potential: Potential,
    frames: Dataset,
    bound: float,
    *,
    queried: Dataset | Iterable[Dataset] = (),
    at_random: bool = False,
    share: float = 0.95,
    confidence: float = 0.95,
) -> Threshold:
    """The threshold of the worst σ of a frame for its worst error of a force, |ΔF| in eV/Å.

    queried     frames that were trained on or chosen for their spread, none of which may be in `frames`, and none that
                the uncertainty was calibrated with
    at_random   whether the frames were drawn at random; otherwise they count as runs in order of time
    """
    marks = frame_marks(frames)
    refuse(
        marks, marks_of(queried) | fitted_to(uncertainty), "a threshold", "queried or trained on, or used to calibrate"
    )
    worst = worst_atoms(uncertainty, potential, frames)
    run = None if at_random else worst.run
    found = threshold(worst.errors, worst.sigmas, bound, share=share, confidence=confidence, trajectory=run)
    return replace(found, frames=marks)
