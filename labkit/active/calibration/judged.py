"""A σ that was rescaled on one half of the validation frames and is judged on other frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.active.calibration.held_out import By, HeldOut, halves, rescaled
from labkit.active.calibration.measures.perfect import largest
from labkit.active.calibration.report import report
from labkit.active.calibration.rescaled import RESCALINGS
from labkit.active.calibration.rescaling import OneFactor, Rescaling
from labkit.active.calibration.samples import Samples
from labkit.errors import LabkitError

NONE, BY_HAND = "none", "by hand"
#: names of rescalings that are fitted -> as in RESCALINGS
AUTOMATIC = {"one factor": "global", "by species": "by species", "isotonic": "isotonic"}
OTHER_HALF, TEST = "other half", "test frames"


@dataclass(frozen=True, eq=False)
class Judged:
    """Samples that judge a σ, its rescaling (None if there is none), and all measures of them.

    samples  of the atoms of the frames that judge
    sizes    whether σ is an error in eV/Å; a score ranks only
    frames   whether `errors` and `sigmas` are the largest of each frame
    """

    samples: Samples
    rescaling: Rescaling | None
    table: pd.DataFrame
    frames: bool

    @property
    def sizes(self) -> bool:
        return self.samples.unit == "eV/Å"

    @property
    def errors(self) -> np.ndarray:
        return largest(self.samples.errors, self.samples.frame) if self.frames else self.samples.errors

    @property
    def sigmas(self) -> np.ndarray:
        return largest(self.samples.sigmas, self.samples.frame) if self.frames else self.samples.sigmas


def judge(
    found: HeldOut, rescaling: str, *, factor: float, by: By, on: str, frames: bool, bound: float, seed: int
) -> Judged:
    """Rescale by one of NONE, BY_HAND, AUTOMATIC, and measure.

    bound  AUC of finding errors above it, eV/Å

    Raises LabkitError for an unknown setting, and for samples that cannot be calibrated.
    """
    if not bound > 0:
        raise LabkitError(f"the bound is {bound:g} eV/Å; expected a positive number")
    if rescaling not in (NONE, BY_HAND, *AUTOMATIC):
        raise LabkitError(f"rescaling {rescaling!r}; expected {', '.join((NONE, BY_HAND, *AUTOMATIC))}")
    fitting, rest = halves(found.valid, by, seed)
    if on == TEST and found.test is None:
        raise LabkitError("no test frames were given; judge on the other half of the validation frames")
    samples, chosen = (found.test if on == TEST else rest), None
    if rescaling == BY_HAND:
        if not 0 < factor < np.inf:
            raise LabkitError(f"the factor is {factor:g}; expected a positive number")
        chosen = OneFactor(factor)
    elif rescaling in AUTOMATIC:
        chosen = RESCALINGS[AUTOMATIC[rescaling]].fit(fitting.errors, fitting.sigmas, fitting.species)
    if chosen is not None:
        samples = rescaled(samples, chosen)
    table = report(
        samples.errors, samples.sigmas, bound=bound, dof=samples.dof if samples.unit == "eV/Å" else None,
        group=samples.group, frame=samples.frame if frames else None, draws=60,
    )  # fmt: skip
    return Judged(samples, chosen, table, frames)
