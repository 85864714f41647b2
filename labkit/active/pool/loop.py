"""The loop of a run: each step is written down before the next, so that it goes on after being killed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from ase import Atoms

from labkit.active.learners.learner import Learner
from labkit.active.pool.budget import Budget
from labkit.active.pool.candidates import candidates, unlabelled
from labkit.active.pool.learned import Learned
from labkit.active.pool.ledger import Ledger
from labkit.active.pool.parts import Parts
from labkit.active.pool.purchases import Purchases, Terms
from labkit.active.pool.round import Round, RoundPlan
from labkit.active.pool.run_folder import RunFolder, store_of
from labkit.active.pool.scoring import (
    MakeUncertainty,
    choose,
    force_errors,
    mark_of,
    surprises,
    uncertainty_of_round,
)  # fmt: skip
from labkit.active.pool.settings import (
    check_counts,
    check_first_round,
    check_oracle,
    check_retries,
    run_settings,
)  # fmt: skip
from labkit.active.pool.unusable import given_frames, unusable
from labkit.active.selection import Selection
from labkit.active.uncertainty import Uncertainty
from labkit.base import Potential, Progress
from labkit.datasets import Dataset
from labkit.errors import LabkitError, Stopped
from labkit.oracles import LabelStore, Oracle
from labkit.oracles.wrapped import Tolerant
from labkit.parallel import one_thread


class Loop:
    """A run of learn(), which documents the arguments."""

    def __init__(
        self,
        pool: Dataset | Sequence[Atoms],
        model: Learner,
        uncertainty: MakeUncertainty | None,
        selection: Selection,
        oracle: Oracle,
        budget: Budget,
        *,
        start: int,
        batch: int,
        validation: int,
        calibration: int,
        known: Dataset | None,
        test: Dataset | None,
        by: str,
        target: float | None,
        measure: Callable[[Potential, Uncertainty | None], Mapping[str, float]] | None,
        store: LabelStore | str | os.PathLike[str] | None,
        folder: str | os.PathLike[str] | None,
        terms: Terms,
        seed: int,
        progress: Progress,
    ) -> None:
        check_counts(start=start, batch=batch, validation=validation, calibration=calibration)
        if not start and not known:
            raise LabkitError(
                "start is 0, so that there is nothing to learn from in round 0; give known frames, or start"
            )
        check_retries(terms.retries)
        check_oracle(known, oracle)
        if uncertainty is None and "spread" in selection.needs:
            raise LabkitError(f"{type(selection).__name__} ranks by an uncertainty; give one, as GpVariance")
        if target is not None and test is None:
            raise LabkitError("a target needs test frames, whose error it is compared with; give test=")
        oracle.require()
        pool = unlabelled(pool)
        self.pool, self.make, self.selection, self.budget = pool, uncertainty, selection, budget
        self.batch, self.seed, self.known = batch, seed, known
        self.parts = Parts(validation, calibration, start)
        self.test, self.by, self.target, self.measure, self.progress = test, by, target, measure, progress
        self.refused = unusable(candidates(pool)) | given_frames(pool, known)
        self.usable = np.array([k for k in range(len(pool)) if k not in self.refused], dtype=np.int64)
        given = 0 if known is None else len(known)
        check_first_round(self.parts.total, len(self.usable), len(self.refused), budget, given)
        settings = run_settings(
            pool, oracle, budget, known, test, model=model.mark, uncertainty=mark_of(uncertainty),
            selection=repr(selection), parts=str(self.parts), batch=batch, by=by, target=target, seed=seed,
            retries=dict(terms.retries),
        )  # fmt: skip
        own = store_of(store, folder)
        self.folder = RunFolder(folder, settings, own.last_calculation())
        self.purchases = Purchases(pool, Tolerant(oracle), own, self.folder.mark, budget, terms, given)
        self.refit = model.begin(pool[self.usable], seed, self.folder.path)
        self.potential: Potential | None = None
        self.rounds: list[Round] = []

    def run(self) -> Iterator[Learned]:
        """The state after each round; those that the folder has are read, and only the last of them is fitted again."""
        state: Learned | None = None
        try:
            for one in self.folder.rounds():
                self.purchases.buy(one.plan.frames, self.progress)
                self.rounds.append(one)
            if self.rounds:
                with one_thread():
                    self.potential = self._fit(len(self.rounds) - 1)
                yield (state := self._state())
            while state is None or not state.stopped:
                with one_thread():
                    plan = self._plan()
                    state = self._round(plan) if plan.frames or not plan.number else self._state(plan.note)
                yield state
        except Stopped as stop:
            raise Stopped("the run was stopped; the same call goes on with it", state) from stop

    def _plan(self) -> RoundPlan:
        number = len(self.rounds)
        if (plan := self.folder.plan(number)) is not None:
            return plan
        plan = self._chosen(number) if number else self._first()
        if plan.frames or not number:
            self.folder.write_plan(plan)
        return plan

    def _first(self) -> RoundPlan:
        order = np.random.default_rng(self.seed).permutation(self.usable)[: self.parts.total]
        return RoundPlan(
            0, tuple(order.tolist()), reasons={int(k): "taken: drawn at random, to begin with" for k in order}
        )

    def _chosen(self, number: int) -> RoundPlan:
        taken = {k for one in self.rounds for k in one.plan.frames}
        rows = np.array([k for k in self.usable if k not in taken], dtype=np.int64)
        if not len(rows):
            return RoundPlan(
                number, (), note=f"all {len(self.usable)} frames of the pool that may be labelled have been sent"
            )
        left = self.budget.calls_left(self.purchases.calls, self.purchases.core_seconds)
        n = self.batch if left is None else min(self.batch, left)
        labelled, uncertainty = self._trained(), self._uncertainty()
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        choice, seen = choose(self.pool, rows, self.potential, uncertainty, labelled, self.selection, n, seed)
        frames = tuple(rows[choice.indices].tolist())
        spread = None if seen.spread is None else tuple(seen.spread[choice.indices].tolist())
        sentences = {int(k): why for k, why in zip(rows, choice.reasons)}
        reasons = {k: why for k, why in sentences.items() if k in frames or why.startswith("refused")}
        note = choice.note or ("" if frames else f"{type(self.selection).__name__} has chosen no frame")
        return RoundPlan(number, frames, spread, seen.unit, reasons, note)

    def _round(self, plan: RoundPlan) -> Learned:
        done = self._fraction()
        self.purchases.buy(plan.frames, self.progress.part(done, 1.0, 0.0))
        labels, failed = self.purchases.labels, self.purchases.failed
        labelled = tuple(k for k in plan.frames if k in labels)
        if not labelled[:1] and plan.number == 0 and self.known is None:
            first = next(iter(failed.values()), "the budget ended before")
            raise LabkitError(f"none of the {len(plan.frames)} frames of round 0 has a label; the first: {first}")
        before, surprise = self.potential, {}
        if before is not None and labelled:
            surprise = dict(zip(labelled, surprises(before, self.purchases.dataset(labelled))))
        known = Round(plan, labelled, {k: failed[k] for k in plan.frames if k in failed}, 0, 0.0, {}, surprise)
        self.rounds.append(known)
        try:
            self.potential = self._fit(plan.number)
            spent = self.purchases.calls, self.purchases.core_seconds
            self.rounds[-1] = found = Round(plan, labelled, known.failed, *spent, self._errors(), surprise)
            self.folder.write_result(found)
        except BaseException:
            self.rounds.pop()
            self.potential = before
            raise
        state = self._state()
        shown = {name: x for name, x in found.errors.items() if name in ("force_rmse", "energy_rmse")}
        self.progress.update(1.0 if state.stopped else self._fraction(), 1.0, labels=len(state.labelled), **shown)
        return state

    def _fit(self, number: int) -> Potential:
        labelled = self._trained()
        if not len(labelled):
            raise LabkitError("no frame to train on has a label: those of round 0 failed, or are all held out")
        return self.refit(labelled, self._held("validation"), number, self.progress.part(self._fraction(), 1.0, 0.0))

    def _trained(self) -> Dataset:
        found = self.purchases.dataset(self.parts.trained(self.rounds, self.purchases.labels))
        return found if self.known is None else self.known + found

    def _held(self, part: str) -> Dataset | None:
        frames = self.parts.held(part, self.rounds, self.purchases.labels)
        return self.purchases.dataset(frames) if frames else None

    def _uncertainty(self) -> Uncertainty | None:
        return uncertainty_of_round(self.make, self.potential, self._trained(), self._held("calibration"))

    def _errors(self) -> dict[str, float]:
        found = {} if self.test is None else force_errors(self.potential, self.test, self.by)
        if self.measure is not None:
            found |= {name: float(x) for name, x in self.measure(self.potential, self._uncertainty()).items()}
        return found

    def _fraction(self) -> float:
        parts = []
        if self.budget.calls is not None:
            parts.append(self.purchases.calls / self.budget.calls)
        if self.budget.core_seconds is not None:
            parts.append(self.purchases.core_seconds / self.budget.core_seconds)
        return min(1.0, max(parts))

    def _state(self, note: str = "") -> Learned:
        books = self.purchases.books()
        stopped = note or self.budget.spent(self.purchases.calls, self.purchases.core_seconds)
        error = self.rounds[-1].errors.get("force_rmse")
        if self.target is not None and error <= self.target:
            stopped = f"force_rmse is {error:.4g} eV/Å, the target {self.target:g} eV/Å is reached"
        held = self._held("validation"), self._held("calibration")
        rounds = tuple(self.rounds)
        ledger = Ledger.of(books, rounds)
        return Learned(self.potential, self._trained(), *held, rounds, self.refused, ledger, stopped)
