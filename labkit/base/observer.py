"""Observer: what watches a run, with what it may want to know of its beginning, its end and its interruptions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.base.potential import Evaluation
from labkit.base.state import State

if TYPE_CHECKING:
    from labkit.engine.run import Run


@dataclass(frozen=True)
class Stop:
    """What an observer returns to end the run at this step: the reason, and which systems gave it (all where none)."""

    reason: str
    systems: Sequence[int] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "systems", tuple(int(s) for s in self.systems))  # also of a tensor


class Observer(ABC):
    """Base of what is called every `every` steps: a trajectory writer, thermodynamics, a learned quantity of interest.

    A subclass writes `__call__`, which may end the run. The rest has defaults: nothing is done, nothing kept.

    >>> class Count(Observer):
    ...     seen = 0
    ...     def __call__(self, state, evaluation):
    ...         self.seen += 1
    >>> Count().every
    1
    """

    every: int = 1
    #: of the file that it writes, if any: no two of a run may share one
    path: Path | None = None
    #: a tensor that LAMMPS can read, if there is one
    value: Any = None

    @abstractmethod
    def __call__(self, state: State, evaluation: Evaluation) -> Stop | None:
        """Look at a state, with energy and forces of its evaluation; return Stop(reason, systems) to end the run."""

    def start(self, run: Run) -> None:
        """A run begins."""
        return None

    def position(self) -> Any:
        """What a checkpoint has to keep: plain values, or a dict of these and of tensors."""
        return None

    def rewind(self, position: Any, run: Run) -> None:
        """A run goes on from a checkpoint, at which `position` was what is given."""
        return None

    def close(self) -> None:
        """A run has ended, whatever the reason."""
        return None
