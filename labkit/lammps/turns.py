"""An integrator that makes its steps while the forces come from elsewhere, one evaluation at a time."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import torch

from labkit.base import Evaluation, Integrator, Potential, State
from labkit.errors import LabkitError


@dataclass(frozen=True, eq=False)
class Wanted:
    """The integrator waits for energy and forces of this state."""

    state: State


@dataclass(frozen=True, eq=False)
class Finished:
    """The integrator has made a step (or has begun, before the first); it waits to be told to make another."""

    state: State


class _End(BaseException):
    """Unwinds a step whose forces will not come."""


class Turns:
    """Runs `integrator.step` in a thread that stops wherever it asks for forces: `go` until it wants or has finished.

    The thread works only while the caller waits, so that there is never more than one that computes. A step that asks
    for forces twice, as a predictor-corrector does, wants twice.
    """

    def __init__(self, integrator: Integrator, state: State, dt: float) -> None:
        self._asked: SimpleQueue[Any] = SimpleQueue()
        self._told: SimpleQueue[Any] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, args=(integrator, state, dt), daemon=True)
        self._thread.start()

    def go(self, evaluation: Evaluation | None = None) -> Wanted | Finished:
        """Give the forces that were wanted, or nothing, and wait; raises what the integrator raises."""
        self._told.put(evaluation)
        said = self._asked.get()
        if isinstance(said, BaseException):
            raise said
        return said

    def end(self) -> None:
        """Let the thread go, also in the middle of a step."""
        self._told.put(_End())
        self._thread.join()

    def _work(self, integrator: Integrator, state: State, dt: float) -> None:
        remote = _Remote(self)
        try:
            with torch.no_grad():
                self.wait()
                state = integrator.init(state, remote)
                while True:
                    self._asked.put(Finished(state))
                    self.wait()
                    state = integrator.step(state, remote, dt)
        except _End:
            pass
        except BaseException as error:  # noqa: BLE001 (raised again by `go`, in the thread that waits)
            self._asked.put(error)

    def ask(self, state: State) -> Evaluation:
        self._asked.put(Wanted(state))
        return self.wait()

    def wait(self) -> Any:
        told = self._told.get()
        if isinstance(told, _End):
            raise told
        return told


class _Remote(Potential):
    """What the integrator takes for its potential."""

    cutoff = 0.0

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self.__dict__["turns"] = turns

    def evaluate(self, state: State, *, stress: bool = False, **wanted: Any) -> Evaluation:
        if stress:
            raise LabkitError(
                "this integrator wants the stress; inside LAMMPS let LAMMPS change the box (fix press/...)"
            )
        return self.turns.ask(state)
