"""Wrapped: an oracle whose labels are those of another, computed elsewhere, later or more carefully."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any

from ase import Atoms

from labkit.errors import LabkitError, Stopped
from labkit.oracles.errors import CalculationFailed
from labkit.oracles.label import Label
from labkit.oracles.oracle import Oracle, never

if TYPE_CHECKING:
    from labkit.oracles.store import LabelStore


class Wrapped(Oracle):
    """Base class of oracles that pass another's labels on: same settings and hash, so that the store has them once."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle

    @property
    def kind(self) -> str:  # type: ignore[override]
        return self.oracle.kind

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.oracle.name

    @property
    def settings(self) -> dict[str, Any]:
        return self.oracle.settings

    @property
    def hash(self) -> str:  # type: ignore[override]
        return self.oracle.hash

    @property
    def cores(self) -> int:
        return self.oracle.cores

    def require(self) -> None:
        self.oracle.require()

    def with_store(self, store: LabelStore) -> Oracle:
        found = copy(self)
        found.oracle = self.oracle.with_store(store)
        return found

    def compute(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> Label:
        return self.timed(atoms, should_stop)[0]

    def timed(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> tuple[Label, float]:
        return self.oracle.timed(atoms, should_stop)


class Tolerant(Wrapped):
    """An oracle whose every error is that of one frame: also what a calculator raises that is no LabkitError."""

    def timed(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> tuple[Label, float]:
        try:
            return self.oracle.timed(atoms, should_stop)
        except (LabkitError, Stopped):
            raise
        except Exception as error:
            words = str(error).strip().splitlines()
            raise CalculationFailed(f"{self.name}: {type(error).__name__}{': ' + words[0] if words else ''}") from error
