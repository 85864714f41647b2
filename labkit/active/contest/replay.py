"""Replay: what a run would have cost and missed with another threshold, rule or uncertainty, from its labels alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from labkit.active.contest.stored_labels import StoredLabels
from labkit.active.learners.learner import Learner
from labkit.active.pool.budget import Budget
from labkit.active.pool.learn import learn
from labkit.active.pool.learned import Learned
from labkit.active.pool.scoring import MakeUncertainty, surprises
from labkit.active.selection import Selection, Within
from labkit.datasets import Dataset
from labkit.errors import LabkitError


def replay_thresholds(run: Learned, thresholds: Sequence[float], bound: float) -> pd.DataFrame:
    """For each threshold: calls saved, and errors missed, if frames with a smaller spread had not been labelled.

    thresholds  in the unit of the run's spread
    bound       eV/Å: an error is missed if a force of a frame that is left out was wrong by more, when it was chosen

    The models are those of the run, so that nothing is fitted: a threshold that leaves much out would have made later
    ones worse, see `replay`. Columns: calls_saved, part_saved, errors_missed, part_missed (of all errors above the
    bound). Frames of round 0 are not counted. Raises LabkitError for a run without an uncertainty.
    """
    table = spreads_and_errors(run)
    spread, wrong = table["spread"].to_numpy(), table["force_max"].to_numpy() > bound
    rows = []
    for threshold in thresholds:
        out = spread < threshold
        rows.append((threshold, out.sum(), out.mean(), (out & wrong).sum(), (out & wrong).sum() / max(1, wrong.sum())))
    columns = ["threshold", "calls_saved", "part_saved", "errors_missed", "part_missed"]
    return pd.DataFrame(rows, columns=columns).set_index("threshold")


def spreads_and_errors(run: Learned) -> pd.DataFrame:
    """Each labelled frame of rounds from 1 on: its spread when it was chosen, and the errors of the model of then.

    Raises LabkitError for a run without an uncertainty, or with one round.
    """
    rows = []
    for one in run.rounds[1:]:
        if one.plan.spread is None:
            raise LabkitError(
                "this run had no uncertainty, so that there is no spread; give learn() one, as GpVariance"
            )
        spread = dict(zip(one.plan.frames, one.plan.spread, strict=True))
        rows += [(one.plan.number, k, spread[k], *one.surprise[k]) for k in one.labelled]
    if not rows:
        raise LabkitError("this run has no round after its first frames, whose spreads are not known; let it go on")
    return pd.DataFrame(rows, columns=["round", "frame", "spread", "force_rmse", "force_max", "energy_error"])


@dataclass(frozen=True, eq=False)
class Replay:
    """A run made again from the labels of another.

    learned        the run
    calls          labels that it has used
    calls_of_run   those of the other, until its error was at the target; the difference is calls_saved
    errors_missed  frames left out, numbers in the labelled frames of the run, with a force wrong by more than the bound
    """

    learned: Learned
    calls: int
    calls_of_run: int
    errors_missed: tuple[int, ...]

    @property
    def calls_saved(self) -> int:
        return self.calls_of_run - self.calls


def replay(
    run: Learned,
    model: Learner,
    uncertainty: MakeUncertainty | None,
    selection: Selection,
    *,
    bound: float,
    batch: int = 10,
    threshold: float | None = None,
    test: Dataset | None = None,
    target: float | None = None,
    **options: Any,
) -> Replay:
    """The run again, with another rule, uncertainty, model or threshold; only frames that have labels are candidates.

    bound      eV/Å, of the largest error of a force by the last model, above which a frame left out is missed
    threshold  frames with a smaller spread are not chosen; the run ends when there is no other
    test       the replay ends when its force_rmse on these frames is at the target
    target     eV/Å; by default the last error of the run

    It begins with the same frames of round 0. No oracle is called. Raises LabkitError if neither a threshold nor test
    frames are given, since it would then use all labels.
    """
    if threshold is None and test is None:
        raise LabkitError("replay: neither threshold nor test is given, so that it would end with all labels; give one")
    first = len(run.labelled) - sum(len(one.labelled) for one in run.rounds[1:])
    known, rest = run.labelled[:first], run.labelled[first:]
    if not len(rest):
        raise LabkitError("replay: this run has no round after its first frames; let it go on")
    rule = selection if threshold is None else Within(selection, low=threshold)
    if test is not None and target is None:
        target = run.errors["force_rmse"]
    found = learn(
        rest, model, uncertainty, rule, StoredLabels(rest, 0.0), Budget(calls=len(run.labelled) + 1),
        start=0, batch=batch, known=known, test=test, target=target, **options,
    )  # fmt: skip
    used = {k for one in found.rounds for k in one.labelled}
    left = [k for k in range(len(rest)) if k not in used]
    errors = np.array([largest for _, largest, _ in surprises(found.potential, rest[left])]) if left else np.empty(0)
    missed = tuple(first + k for k, error in zip(left, errors, strict=True) if error > bound)
    return Replay(found, first + len(used), _labels_until(run, target), missed)


def _labels_until(run: Learned, target: float | None) -> int:
    """Labels that a run had when its error was at the target for the first time; all, if it never was."""
    count = len(run.labelled) - sum(len(one.labelled) for one in run.rounds[1:])
    for before, one in enumerate(run.rounds):
        count += len(one.labelled) if before else 0
        if target is not None and one.errors["force_rmse"] <= target:
            return count
    return len(run.labelled)
