"""Scores: learning curves of a contest, calls to a target, and savings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from labkit.active.contest.saving import calls_to_target, error_at, paired_interval
from labkit.active.pool.learned import Learned
from labkit.errors import LabkitError, suggest


@dataclass(frozen=True)
class ContestRun:
    """One run: its learning curve, a row for each round, and the frames that it has labelled, in order."""

    strategy: str
    seed: int
    curve: tuple[Mapping[str, float], ...]
    frames: tuple[int, ...]
    stopped: str

    @classmethod
    def of(cls, strategy: str, seed: int, found: Learned) -> ContestRun:
        frames = tuple(k for one in found.rounds for k in one.labelled)
        return cls(strategy, seed, tuple(one.row() for one in found.rounds), frames, found.stopped)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**vars(self), "curve": [dict(row) for row in self.curve], "frames": list(self.frames)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> ContestRun:
        """The inverse."""
        return cls(
            str(plain["strategy"]), int(plain["seed"]), tuple(dict(row) for row in plain["curve"]),
            tuple(map(int, plain["frames"])), str(plain["stopped"]),
        )  # fmt: skip

    def points(self, error: str, cost: str = "calls") -> tuple[np.ndarray, np.ndarray]:
        """Cost and error after each round."""
        for name in (error, cost):
            if name not in self.curve[0]:
                raise LabkitError(
                    f"{self.strategy}: no column {name!r}; it has {', '.join(self.curve[0])}"
                    f"{suggest(name, self.curve[0])}"
                )
        rows = [(row[cost], row[error]) for row in self.curve]
        return np.array([x for x, _ in rows], dtype=float), np.array([y for _, y in rows], dtype=float)


@dataclass(frozen=True, eq=False)
class Scores:
    """All runs of a contest so far."""

    runs: tuple[ContestRun, ...]

    def table(self) -> pd.DataFrame:
        """A row for each round of each run."""
        return pd.DataFrame([{"strategy": r.strategy, "seed": r.seed, **row} for r in self.runs for row in r.curve])

    @property
    def strategies(self) -> list[str]:
        return list(dict.fromkeys(run.strategy for run in self.runs))

    def curves(self, error: str = "force_rmse", cost: str = "calls") -> pd.DataFrame:
        """By strategy and cost: mean over seeds, standard error of the mean (NaN for one), and number of seeds.

        Curves of different seeds that do not have the same costs are taken where the first has its rounds, as lines in
        ln(error) and ln(cost).
        """
        rows: list[tuple[Any, ...]] = []
        for name in self.strategies:
            points = [run.points(error, cost) for run in self.runs if run.strategy == name]
            for at in points[0][0]:
                found = np.array([error_at(x, y, at) for x, y in points])
                found = found[np.isfinite(found)]
                spread = found.std(ddof=1) / len(found) ** 0.5 if len(found) > 1 else np.nan
                rows.append((name, at, found.mean(), spread, len(found)))
        columns = ["strategy", cost, "mean", "standard_error", "seeds"]
        return pd.DataFrame(rows, columns=columns).set_index(["strategy", cost])

    def calls_to(self, target: float, error: str = "force_rmse", cost: str = "calls") -> pd.DataFrame:
        """By strategy and seed: calls until the error is at the target, and whether it was reached (see saving.py)."""
        rows = []
        for run in self.runs:
            calls, reached = calls_to_target(*run.points(error, cost), target)
            rows.append((run.strategy, run.seed, calls, reached))
        return pd.DataFrame(rows, columns=["strategy", "seed", cost, "reached"]).set_index(["strategy", "seed"])

    def saving(
        self, target: float, against: str = "random", error: str = "force_rmse", cost: str = "calls"
    ) -> pd.DataFrame:
        """By strategy: mean calls to the target, saving 1 - ours/theirs with its 95 % interval, seeds that reached it.

        bound  "at least" if the other strategy has not always reached the target, "at most" if this one has not, ""
               if both have; "unknown" if neither has
        """
        found = self.calls_to(target, error, cost)
        theirs = self._of(found, against)
        rows = []
        for name in self.strategies:
            ours = self._of(found, name)
            seeds = [seed for seed in ours.index if seed in theirs.index]
            if not seeds:
                raise LabkitError(f"{name} and {against} have no seed in common; a saving is that of pairs")
            value = paired_interval(ours.loc[seeds, cost].to_numpy(), theirs.loc[seeds, cost].to_numpy())
            here, there = bool(ours.loc[seeds, "reached"].all()), bool(theirs.loc[seeds, "reached"].all())
            bound = {(True, True): "", (True, False): "at least", (False, True): "at most"}.get(
                (here, there), "unknown"
            )
            reached = f"{int(ours.loc[seeds, 'reached'].sum())} of {len(seeds)}"
            rows.append((name, ours.loc[seeds, cost].mean(), *value, bound, reached))
        columns = ["strategy", cost, "saving", "low", "high", "bound", "reached"]
        return pd.DataFrame(rows, columns=columns).set_index("strategy")

    def reduction(
        self, calls: float, against: str = "random", error: str = "force_rmse", cost: str = "calls"
    ) -> pd.DataFrame:
        """By strategy at equal cost: mean error, and by how much it is lower than the other's (95 % interval)."""
        rows, at = [], {}
        for run in self.runs:
            at[run.strategy, run.seed] = error_at(*run.points(error, cost), calls)
        if against not in self.strategies:
            raise LabkitError(f"no strategy {against!r}; there are {', '.join(self.strategies)}")
        for name in self.strategies:
            seeds = [
                s
                for (n, s), x in at.items()
                if n == name and np.isfinite(x) and np.isfinite(at.get((against, s), np.nan))
            ]
            if not seeds:
                rows.append((name, np.nan, np.nan, np.nan, np.nan))
                continue
            ours, theirs = (np.array([at[n, s] for s in seeds]) for n in (name, against))
            rows.append((name, ours.mean(), *paired_interval(ours, theirs)))
        columns = ["strategy", error, "reduction", "low", "high"]
        return pd.DataFrame(rows, columns=columns).set_index("strategy")

    def target_of(self, calls: float, strategy: str = "random", error: str = "force_rmse") -> float:
        """The mean error of a strategy after so many calls, as a target: fix it before the contest is looked at."""
        found = [error_at(*run.points(error), calls) for run in self.runs if run.strategy == strategy]
        known = [x for x in found if np.isfinite(x)]
        if not known:
            raise LabkitError(f"no run of {strategy!r} has {calls:g} calls; make longer ones, or take fewer")
        return float(np.mean(known))

    def _of(self, found: pd.DataFrame, name: str) -> pd.DataFrame:
        known: Sequence[str] = self.strategies
        if name not in known:
            raise LabkitError(f"no strategy {name!r}; there are {', '.join(known)}{suggest(name, known)}")
        return found.loc[name]
