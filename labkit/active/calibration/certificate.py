"""Certificate: what labelled frames show about frames that are accepted without a label."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.active.calibration.bounds import frames_needed, upper_bound
from labkit.active.calibration.correlation import inefficiency
from labkit.active.calibration.marks import fitted_to, frame_marks, marks_of, model_mark, refuse
from labkit.active.calibration.measures.arrays import check_share, checked, checked_labels
from labkit.active.calibration.threshold import Threshold, effective_counts
from labkit.active.calibration.worst import worst_atoms
from labkit.active.uncertainty import Uncertainty
from labkit.base import Potential
from labkit.datasets import Dataset
from labkit.errors import LabkitError


@dataclass(frozen=True)
class Certificate:
    """At least `share` of the frames with σ <= sigma have errors <= bound, with this confidence.

    labelled, accepted   frames that were looked at, and those of them with σ <= sigma
    failures             accepted ones with larger errors
    independent          how many independent frames the accepted ones are worth
    shown                the share that they show, 1 - the Clopper-Pearson bound of failures; at least `share`
    frames               marks of the accepted frames
    model                mark of the potential and its uncertainty: after a refit the certificate is void

    `str(certificate)` is the claim. It holds for frames of the distribution that these were drawn from, not for others.
    """

    sigma: float
    bound: float
    share: float
    confidence: float
    labelled: int
    accepted: int
    failures: int
    independent: int
    shown: float
    frames: tuple[str, ...] = ()
    model: str = ""

    @classmethod
    def of(
        cls,
        errors: Any,
        sigmas: Any,
        sigma: float | Threshold,
        bound: float | None = None,
        *,
        share: float = 0.95,
        confidence: float = 0.95,
        trajectory: Any = None,
        frames: Sequence[str] = (),
        used: Collection[str] = (),
        model: str = "",
    ) -> Certificate:
        """From errors and sigmas of frames that were labelled at random.

        trajectory   run of each frame, in order of time, whose frames count by their effective number; None if they
                     are independent
        frames       a mark of each; `used` are marks of frames that were queried, or used for threshold or calibration

        Look once: a certificate that is tried again with more and more frames until it holds shows less than it says.
        Raises LabkitError if the frames do not show it, saying how many would, and for a frame that was used.

        >>> print(str(Certificate.of([0.1] * 59, [0.02] * 59, sigma=0.03, bound=0.15))[:81])
        with 95 % confidence, at least 95 % of the frames with σ <= 0.03 have errors <= 0
        """
        if isinstance(sigma, Threshold):
            bound, used = sigma.bound if bound is None else bound, {*used, *sigma.frames}
            sigma = sigma.sigma
        if bound is None:
            raise LabkitError("a certificate needs the bound of the errors, such as bound=0.15 in eV/Å")
        e, s = checked(errors, sigmas, 1)
        check_share(share, "share")
        check_share(confidence, "confidence")
        marks = [] if not len(frames) else checked_labels(list(frames), len(e), "frames").tolist()
        refuse(marks, used, "a certificate", "queried or used for the threshold or the calibration")
        repeated = len(marks) - len(set(marks))
        if repeated:
            raise LabkitError(f"{repeated} of {len(marks)} frames occur twice; each counts once")
        mine = s <= sigma
        accepted, failures = int(mine.sum()), int((e[mine] > bound).sum())
        if not accepted:
            raise LabkitError(f"none of {len(e)} frames has σ <= {sigma:.4g}; label frames that would be accepted")
        runs = None if trajectory is None else checked_labels(trajectory, len(e), "trajectory")[mine]
        g = 1.0 if runs is None else inefficiency(e[mine], runs)
        independent, failed = effective_counts(accepted, failures, g)
        shown = 1 - upper_bound(failed, independent, confidence)
        if shown < share - 1e-12:
            raise LabkitError(
                f"not shown: {failures} of {accepted} accepted frames, worth {independent} independent ones, exceed "
                f"{bound:g}; with {confidence:g} confidence {shown:.1%} do not, and {share:.1%} needs "
                f"{frames_needed(share, confidence, failed)} independent ones with {failed} failures"
            )
        kept = tuple(mark for mark, is_mine in zip(marks, mine, strict=True) if is_mine) if marks else ()
        return cls(
            float(sigma), float(bound), share, confidence, len(e), accepted, failures, independent, shown, kept, model
        )

    def __str__(self) -> str:
        return (
            f"with {100 * self.confidence:g} % confidence, at least {100 * self.share:g} % of the frames with σ <= "
            f"{self.sigma:.4g} have errors <= {self.bound:g} eV/Å: {self.accepted} accepted frames, worth "
            f"{self.independent} independent ones, {self.failures} of them above; they show {100 * self.shown:.4g} %"
        )

    def check(self, potential: Potential, uncertainty: Uncertainty) -> None:
        """Raise LabkitError if the potential or its uncertainty is not the one of the certificate."""
        if self.model != model_mark(potential, uncertainty):
            raise LabkitError(
                f"the certificate is void: it was made for the model {self.model or 'without a mark'}, and this one is "
                "another or was fitted again; label new frames and certify it"
            )


def certify(
    uncertainty: Uncertainty,
    potential: Potential,
    frames: Dataset,
    threshold: float | Threshold,
    bound: float | None = None,
    *,
    queried: Dataset | Iterable[Dataset],
    at_random: bool = False,
    share: float = 0.95,
    confidence: float = 0.95,
) -> Certificate:
    """A certificate from frames with forces; the error of a frame is |ΔF| of its worst atom, eV/Å.

    threshold   of the worst σ of a frame; frames that a Threshold was fitted to are refused, and so are those that
                a Rescaled or Calibrated uncertainty or the one within it was, or the validation of a LastLayer
    queried     all frames that were trained on or chosen for their spread; they are refused
    at_random   whether the frames were drawn at random from those that will be accepted; otherwise they count as runs
                in order of time, by their effective number
    """
    marks = frame_marks(frames)
    used = marks_of(queried) | fitted_to(uncertainty)
    refuse(marks, used, "a certificate", "queried or used for the calibration")
    worst = worst_atoms(uncertainty, potential, frames)
    return Certificate.of(
        worst.errors,
        worst.sigmas,
        threshold,
        bound,
        share=share,
        confidence=confidence,
        trajectory=None if at_random else worst.run,
        frames=marks,
        used=used,
        model=model_mark(potential, uncertainty),
    )
