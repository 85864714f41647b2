"""Contest: strategies × seeds on one pool with stored labels, at equal cost."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.active.contest.scores import ContestRun, Scores
from labkit.active.contest.stored_labels import StoredLabels
from labkit.active.contest.strategy import Strategy
from labkit.active.pool.budget import Budget
from labkit.active.pool.candidates import candidates
from labkit.active.pool.learn import learn
from labkit.active.pool.settings import structures_hash
from labkit.base import NO_PROGRESS, Progress
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.files import atomic_write, whole_content
from labkit.parallel import each

if TYPE_CHECKING:
    from distributed import Client


def contest(
    pool: Dataset | StoredLabels,
    strategies: Mapping[str, Strategy],
    test: Dataset,
    budget: Budget | int,
    *,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    folder: str | os.PathLike[str] | None = None,
    by: str = "",
    client: Client | None = None,
    progress: Progress = NO_PROGRESS,
    **options: Any,
) -> Iterator[Scores]:
    """Yield the scores after each run; no oracle is called.

    pool      labelled frames, or StoredLabels of them with the cost of each
    budget    of every run; labels to begin with, for validation and for calibration count
    seeds     runs of one seed begin with the same frames, so that strategies are compared in pairs
    folder    a JSON file for each run, written when it ends; a contest that was stopped or killed goes on with the runs
              that are missing, and in the round where it was
    by        a key of the test frames' info: errors also for each of its values
    client    of dask, whose workers make the runs
    options   of `learning` for all: start, batch, target, ...

    Raises LabkitError for a folder with runs of other settings, naming the run.

    >>> import labkit
    >>> from labkit.active.contest import Strategy, contest
    >>> from labkit.active.learners import GapLearner
    >>> from labkit.active.selection import FarthestPoint, RandomFrames
    >>> from labkit.gap import GapConfig, Soap
    >>> frames, model = labkit.datasets.ice("train", n=50), GapLearner(GapConfig(Soap(n_max=3, l_max=2, n_sparse=9)))
    >>> rules = {"random": Strategy(model, RandomFrames()), "far": Strategy(model, FarthestPoint())}
    >>> *_, scores = contest(frames[:20], rules, frames[20:24], 8, seeds=[0], start=4, batch=2)
    >>> scores.curves().index.get_level_values("strategy").unique().tolist()
    ['random', 'far']
    """
    if not strategies:
        raise LabkitError("contest: no strategies were given; expected at least one")
    stored = pool if isinstance(pool, StoredLabels) else StoredLabels(pool)
    limit = Budget(budget) if isinstance(budget, int) else budget
    course = _Course(stored, dict(strategies), test, limit, by, options, None if folder is None else Path(folder))
    runs: dict[tuple[str, int], ContestRun] = {}
    tasks = {}
    for seed in seeds:
        for name in strategies:
            found = course.read(name, seed)
            if found is not None:
                runs[name, seed] = found
            else:
                tasks[name, seed] = (name, seed, progress if client is None else NO_PROGRESS)
    if not tasks:
        yield Scores(tuple(runs.values()))
    for key, found in each(_Course.run, tasks, course, client=client, progress=progress):
        runs[key] = found
        order = [(name, seed) for seed in seeds for name in strategies]
        yield Scores(tuple(runs[k] for k in order if k in runs))


class _Course:
    """What all runs share, and where their results are."""

    def __init__(
        self, stored: StoredLabels, strategies: dict[str, Strategy], test: Dataset, budget: Budget, by: str,
        options: dict[str, Any], folder: Path | None,
    ) -> None:  # fmt: skip
        self.stored, self.strategies, self.test, self.budget = stored, strategies, test, budget
        self.by, self.options, self.folder = by, options, folder
        plain = {k: v for k, v in options.items() if k != "measure"}
        frames = structures_hash(candidates(stored.frames))
        self.common = f"{frames} {stored.hash} {test.hash} {budget} {by} {sorted(plain.items())}"
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LabkitError(f"{folder}: the folder of the contest cannot be made ({error.strerror})") from error

    def mark(self, name: str) -> str:
        return hashlib.sha256(f"{self.common} {self.strategies[name].mark}".encode()).hexdigest()

    def path(self, name: str, seed: int) -> Path:
        short = re.sub(r"\W+", "-", name).strip("-")[:60]
        return self.folder / f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:6]}-{seed}.json"

    def read(self, name: str, seed: int) -> ContestRun | None:
        """A run that has ended."""
        if self.folder is None or not (path := self.path(name, seed)).is_file():
            return None
        with whole_content(path, "delete it, and the run is made again"):
            plain = json.loads(path.read_text())
            if plain["mark"] != self.mark(name):
                raise LabkitError(
                    f"{path}: was a run of {name!r} on other frames or with other settings; choose another folder, or "
                    "delete it"
                )
            return ContestRun.from_dict(plain["run"])

    def run(self, name: str, seed: int, progress: Progress) -> ContestRun:
        """One run, through its own folder; its result is written before it is returned."""
        strategy, kept = self.strategies[name], None
        if self.folder is not None:
            kept = self.path(name, seed).with_suffix("")
        options = {**self.options, **strategy.options}
        found = learn(
            self.stored.frames, strategy.model, strategy.uncertainty, strategy.selection, self.stored, self.budget,
            test=self.test, by=self.by, seed=seed, folder=kept, progress=_OnlyStop(progress), **options,
        )  # fmt: skip
        run = ContestRun.of(name, seed, found)
        if kept is not None:
            plain = {"mark": self.mark(name), "run": run.to_dict()}
            atomic_write(self.path(name, seed), json.dumps(plain))
            shutil.rmtree(kept, ignore_errors=True)
        return run


class _OnlyStop(Progress):
    """The progress of one of many runs: it is asked to stop, and its own reports are not shown."""

    def __init__(self, whole: Progress) -> None:
        self.whole = whole

    def should_stop(self) -> bool:
        return self.whole.should_stop()
