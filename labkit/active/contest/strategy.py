"""Strategy: a model, an uncertainty and a rule that take part in a contest; grids of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from labkit.active.learners.learner import Learner
from labkit.active.pool.scoring import MakeUncertainty, mark_of
from labkit.active.selection import Selection


@dataclass(frozen=True)
class Strategy:
    """What differs between the runs of a contest.

    options  of `learning` for this strategy: validation, calibration, measure, ...; their labels count
    """

    model: Learner
    selection: Selection
    uncertainty: MakeUncertainty | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """All that a run with it depends on, as text."""
        options = {k: v for k, v in self.options.items() if k != "measure"}
        return f"{self.model.mark} | {self.selection!r} | {mark_of(self.uncertainty)} | {sorted(options.items())}"


def grid(make: Callable[..., Strategy], **values: Iterable[Any]) -> dict[str, Strategy]:
    """A strategy for each combination of settings, named by them: scans are contests too.

    >>> from labkit.active.learners import CommitteeLearner, GapLearner
    >>> from labkit.active.selection import RandomFrames
    >>> make = lambda members: Strategy(CommitteeLearner(GapLearner(), members), RandomFrames())
    >>> list(grid(make, members=[3, 7, 11]))
    ['members 3', 'members 7', 'members 11']
    """
    found = {}
    for combination in product(*values.values()):
        chosen = dict(zip(values, combination, strict=True))
        name = ", ".join(f"{key} {x:g}" if isinstance(x, float) else f"{key} {x}" for key, x in chosen.items())
        found[name] = make(**chosen)
    return found
