"""Ledger: every call of the oracle in a run, its cost, its outcome, and the error that it bought."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from labkit.active.pool.round import Round
from labkit.files import atomic_write
from labkit.oracles import Calculation

HOUR = 3600.0  # s


@dataclass(frozen=True)
class Call:
    """One call.

    round, frame  of the run, and of its pool
    outcome       labelled, unconverged, failed, timed out; stopped and lost ones have no result and are made again
    attempt       1 for the first call of a frame
    seconds       wall time, NaN if it is not known; cores in use; core_seconds their product
    reused        the store had the label already: it counts as bought now, and cost nothing now
    message       of the error
    """

    round: int
    frame: int
    outcome: str
    attempt: int
    seconds: float
    cores: int
    core_seconds: float
    reused: bool
    message: str


@dataclass(frozen=True, eq=False)
class Ledger:
    """The books of a run, made from the calculations in the store of labels and from the rounds.

    calls   in the order in which they ended
    rounds  with the errors of the potential after each

    >>> Ledger((), ()).table().columns.tolist()[:4]
    ['round', 'frame', 'outcome', 'attempt']
    """

    calls: tuple[Call, ...]
    rounds: tuple[Round, ...]

    @classmethod
    def of(cls, books: Sequence[tuple[int, Calculation | None, bool]], rounds: Sequence[Round]) -> Ledger:
        """From (frame, calculation, reused) of each call."""
        when = {k: one.plan.number for one in rounds for k in one.plan.frames}
        attempts: dict[int, int] = {}
        found = []
        for frame, c, reused in books:
            if frame not in when:
                continue  # of a round that is not complete
            attempts[frame] = attempts.get(frame, 0) + 1
            seconds, cores = (np.nan, 1) if c is None else (c.seconds, c.cores)
            outcome, message = ("labelled", "") if c is None else (c.outcome, c.message)
            found.append(
                Call(when[frame], frame, outcome, attempts[frame], seconds, cores, seconds * cores, reused, message)
            )
        return cls(tuple(found), tuple(rounds))

    def table(self) -> pd.DataFrame:
        """One row for each call, with the errors after its round."""
        rows = [vars(call) for call in self.calls]
        found = pd.DataFrame(rows, columns=[f.name for f in fields(Call)])
        errors = {one.plan.number: one.errors for one in self.rounds}
        for name in dict.fromkeys(name for one in errors.values() for name in one):
            found[name] = [errors[k].get(name, np.nan) for k in found["round"]]
        return found

    def summary(self) -> pd.DataFrame:
        """For each outcome: calls, core-hours, and calls whose label the store had already."""
        table = self.table()
        found = table.groupby("outcome", sort=False).agg(
            calls=("frame", "size"), core_hours=("core_seconds", lambda x: x.sum() / HOUR), reused=("reused", "sum")
        )
        return found

    def curve(self, error: str = "force_rmse") -> pd.DataFrame:
        """After each round: labels and calls that count, core_hours, the error, and what a core-hour of it bought.

        bought  decrease of the error in this round for each of its core-hours, as eV/Å per core-hour; NaN for the first
        """
        rows, labels = [], 0
        for one in self.rounds:
            labels += len(one.labelled)
            rows.append((one.plan.number, labels, one.calls, one.core_seconds / HOUR, one.errors.get(error, np.nan)))
        found = pd.DataFrame(rows, columns=["round", "labels", "calls", "core_hours", error])
        spent = found["core_hours"].diff()
        found["bought"] = -found[error].diff() / spent.where(spent > 0)
        return found

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table, all of it or nothing."""
        atomic_write(path, self.table().to_csv(index=False))

    def totals(self) -> Mapping[str, float]:
        """All that was spent in this run, also on calls that were stopped or lost: calls, core_hours."""
        mine = [call for call in self.calls if not call.reused]
        return {"calls": len(mine), "core_hours": float(np.nansum([c.core_seconds for c in mine])) / HOUR}
