"""Selection, the protocol of all rules, and what the rules share: checks, ranking, a reason for every frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from labkit.active.selection.choice import Choice
from labkit.active.selection.pool import Pool
from labkit.errors import LabkitError


@runtime_checkable
class Selection(Protocol):
    """A rule that chooses frames from a pool; each is a frozen dataclass.

    needs  fields of Pool that it uses, besides the number of atoms
    """

    @property
    def needs(self) -> frozenset[str]: ...

    def choose(self, pool: Pool, n: int, *, seed: int = 0) -> Choice:
        """At most n frames; fewer only if there are not so many, which the note of the choice explains."""
        ...


class SelectionRule(ABC):
    """A rule that needs to write only `pick`: frames whose fields are not finite have been left out by then."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def choose(self, pool: Pool, n: int, *, seed: int = 0) -> Choice:
        """At most n frames. Raises LabkitError for a missing field, and if no frame has finite values."""
        who = type(self).__name__
        check_count(n, who)
        pool.require(self.needs, who)
        bad = pool.finite(self.needs)
        rows = np.array([k for k in range(len(pool)) if k not in bad], dtype=np.int64)
        if len(pool) and not len(rows):
            raise LabkitError(
                f"{who}: {', '.join(sorted(set(bad.values())))} is not finite for any of {len(pool)} frames "
                f"({pool.listed(sorted(bad))}); check the potential, or the frames for atoms that overlap"
            )
        count = min(n, len(rows))
        inner, phrases = self.pick(pool.take(rows), count, seed) if count else (np.empty(0, int), [])
        taken = set(np.asarray(inner).tolist())
        reasons = tuple(f"{'taken' if k in taken else 'not taken'}: {phrase}" for k, phrase in enumerate(phrases))
        others = {k: f"refused: {field} is not finite" for k, field in bad.items()}
        return Choice(inner, reasons).of_larger_pool(rows, others, shortage(count, n, len(pool)))

    @abstractmethod
    def pick(self, pool: Pool, n: int, seed: int) -> tuple[np.ndarray, Sequence[str]]:
        """n different frames of a pool that has at least n, in order, and a phrase for each frame of the pool."""


class Ranking(SelectionRule):
    """A rule that takes the frames with the largest scores; the first of equal ones."""

    #: a frame with this score is no candidate by itself: if all have it, the order means nothing
    lowest: ClassVar[float] = 0.0

    @abstractmethod
    def scores(self, pool: Pool) -> tuple[np.ndarray, str, str]:
        """Scores (P,), what they are, and their unit."""

    def pick(self, pool: Pool, n: int, seed: int) -> tuple[np.ndarray, Sequence[str]]:
        scores, what, unit = self.scores(pool)
        if not (scores > self.lowest).any():
            raise LabkitError(
                f"{type(self).__name__}: the {what} of all {len(pool)} frames ({pool.listed(range(len(pool)))}) is "
                f"{self.lowest:g}, so that none is less certain than another; check the uncertainty, or take frames "
                "at random"
            )
        order = np.argsort(-scores, kind="stable")[:n]
        value = [f"{what} {score:.4g} {unit}".rstrip() for score in scores]
        last = f"{scores[order[-1]]:.4g} {unit}".rstrip()
        taken = set(order.tolist())
        return order, [text if k in taken else f"{text}, the last one taken has {last}" for k, text in enumerate(value)]


def check_count(n: int, who: str) -> None:
    """Raise LabkitError unless n is a positive whole number."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise LabkitError(f"{who}: {n!r} frames are to be chosen; expected a positive whole number")


def check_members(count: int, who: str) -> None:
    """Raise LabkitError for a committee of one."""
    if count < 2:
        raise LabkitError(f"{who}: the committee has {count} member, whose spread is not defined; give at least two")


def shortage(found: int, n: int, total: int) -> str:
    """Why fewer frames than requested are taken, or ""."""
    if found == n:
        return ""
    if found == total:
        return f"{n} frames were requested, the pool has {total}: all are taken"
    return f"{n} frames were requested, {found} of the {total} in the pool may be taken"
