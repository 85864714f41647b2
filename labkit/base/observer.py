"""Observer: called during a run, and when it starts, ends or is resumed."""

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
    """Returned by an observer to end the run at this step: the reason, and the systems that caused it (all if none)."""

    reason: str
    systems: Sequence[int] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "systems", tuple(int(s) for s in self.systems))  # also of a tensor


class Observer(ABC):
    """Base class of what is called every `every` steps: a trajectory writer, thermodynamics, a learned quantity.

    A subclass writes `__call__`, which may end the run. By default the other methods do nothing.

    >>> class Count(Observer):
    ...     seen = 0
    ...     def __call__(self, state, evaluation):
    ...         self.seen += 1
    >>> Count().every
    1
    """

    every: int = 1
    #: the file that it writes, if any; two observers of a run cannot share one
    path: Path | None = None
    #: a tensor that LAMMPS can read, if there is one
    value: Any = None

    @property
    def settings(self) -> Any:
        """What must be the same when a run resumes, beside `every`: plain values, tensors, modules and functions."""
        return {}

    @abstractmethod
    def __call__(self, state: State, evaluation: Evaluation) -> Stop | None:
        """Process a state with its energy and forces; return Stop(reason, systems) to end the run."""

    def start(self, run: Run) -> None:
        """Called when a run starts."""
        return None

    def position(self) -> Any:
        """What a checkpoint must store: plain values, or a dict of these and of tensors."""
        return None

    def rewind(self, position: Any, run: Run) -> None:
        """Called when a run resumes from a checkpoint that stored `position`."""
        return None

    def close(self) -> None:
        """Called when a run has ended, for whatever reason."""
        return None
