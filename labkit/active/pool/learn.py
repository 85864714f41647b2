"""learn(): rounds of score, select, label and fit on a pool of frames, within a budget."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ase import Atoms

from labkit.active.learners.learner import Learner
from labkit.active.pool.budget import Budget
from labkit.active.pool.learned import Learned
from labkit.active.pool.loop import Loop
from labkit.active.pool.purchases import Terms
from labkit.active.pool.scoring import MakeUncertainty
from labkit.active.selection import Selection
from labkit.active.uncertainty import Uncertainty
from labkit.base import NO_PROGRESS, Potential, Progress
from labkit.datasets import Dataset
from labkit.oracles import LabelStore, Oracle


def learn(
    pool: Dataset | Sequence[Atoms],
    model: Learner,
    uncertainty: MakeUncertainty | None,
    selection: Selection,
    oracle: Oracle,
    budget: Budget | int,
    **options: Any,
) -> Learned:
    """The last state of `learning`, whose options it takes.

    >>> import labkit
    >>> from ase.calculators.emt import EMT
    >>> from labkit.active.learners import GapLearner
    >>> from labkit.active.pool import learn
    >>> from labkit.active.selection import RandomFrames
    >>> from labkit.gap import GapConfig, Soap
    >>> from labkit.oracles import CalculatorOracle
    >>> pool, model = labkit.datasets.ice("train", n=50)[:12], GapLearner(GapConfig(Soap(n_max=3, l_max=2, n_sparse=9)))
    >>> found = learn(pool, model, None, RandomFrames(), CalculatorOracle("EMT", EMT), 8, start=4, batch=2)
    >>> len(found.labelled), found.stopped
    (8, 'the budget of 8 calls is spent')
    """
    *_, last = learning(pool, model, uncertainty, selection, oracle, budget, **options)
    return last


def learning(
    pool: Dataset | Sequence[Atoms],
    model: Learner,
    uncertainty: MakeUncertainty | None,
    selection: Selection,
    oracle: Oracle,
    budget: Budget | int,
    *,
    start: int = 10,
    batch: int = 10,
    validation: int = 0,
    calibration: int = 0,
    known: Dataset | None = None,
    test: Dataset | None = None,
    by: str = "",
    target: float | None = None,
    measure: Callable[[Potential, Uncertainty | None], Mapping[str, float]] | None = None,
    store: LabelStore | str | os.PathLike[str] | None = None,
    folder: str | os.PathLike[str] | None = None,
    retries: Mapping[str, int] | None = None,
    workers: int = 1,
    time_limit: float | None = None,
    seed: int = 0,
    progress: Progress = NO_PROGRESS,
) -> Iterator[Learned]:
    """Yield the state after each round: fit, score the frames without a label, choose some, label them.

    pool         candidate frames, a Dataset or structures without labels; their own labels are not used
    model        GapLearner, NeuralLearner, CommitteeLearner or anything else that is a Learner
    uncertainty  a kind of uncertainty, as GpVariance, or a function of the potential, or of the potential, the labelled
                 frames and the calibration frames; None for rules that need none
    budget       Budget, or a number of calls; the run ends when it is spent
    start        frames drawn at random in round 0, after `validation` and `calibration` others, which are never trained
                 on; all of them are labelled and count
    batch        frames of each other round
    known        labelled frames to begin with, which count as calls; start may then be 0
    test         labelled frames whose errors are recorded; `by` is a key of their info: also for each of its values
    target       eV/Å: the run ends when force_rmse on the test frames is not above it
    measure      further numbers to record in each round
    store        labels, bought before they are used; by default in the folder, or in memory
    folder       makes the run resumable: after a stop, a crash or kill -9 the same call goes on where it was, with the
                 same result to the bit on the same machine; no label is lost, and no call that had ended is made again
    retries      {"failed": 1, "timed out": 1}: how often a frame is sent again after such an outcome; by default never
    workers      frames that are labelled at a time, each for at most `time_limit` s; on a queue system the time in the
                 queue counts, so that its own wall time is the better limit there

    A call that fails is booked, and its frame is skipped. Frames that have exploded, and copies, are never labelled.
    Raises Stopped, with the state so far, on request; LabkitError for settings that do not fit together, labels of two
    oracles, a folder of another run, a full disk (nothing is lost then), and if no frame of round 0 has a label.
    """
    loop = Loop(
        pool, model, uncertainty, selection, oracle, Budget(budget) if isinstance(budget, int) else budget,
        start=start, batch=batch, validation=validation, calibration=calibration, known=known, test=test, by=by,
        target=target, measure=measure, store=store, folder=folder,
        terms=Terms(dict(retries or {}), workers, time_limit), seed=seed, progress=progress,
    )  # fmt: skip
    yield from loop.run()
