"""An integrator in a thread that waits for each of its forces to be computed by another program."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import torch

from labkit.base import Evaluation, Integrator, Potential, State
from labkit.errors import LabkitError


@dataclass(frozen=True, eq=False)
class ForceRequest:
    """The integrator waits for energy and forces of this state."""

    state: State


@dataclass(frozen=True, eq=False)
class CompletedStep:
    """The integrator has made a step (or has been initialised, before the first) and waits before the next."""

    state: State


class _End(BaseException):
    """Ends a step whose forces will never arrive."""


class IntegratorThread:
    """Runs `integrator.step` in a thread that pauses whenever it needs forces or has completed a step.

    The thread works only while the caller waits, so that only one of the two computes at any time. A step with two
    force evaluations, such as a predictor-corrector, makes two requests.
    """

    def __init__(self, integrator: Integrator, state: State, dt: float) -> None:
        self._requests: SimpleQueue[Any] = SimpleQueue()
        self._replies: SimpleQueue[Any] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, args=(integrator, state, dt), daemon=True)
        self._thread.start()

    def resume(self, evaluation: Evaluation | None = None) -> ForceRequest | CompletedStep:
        """Pass the requested forces, if any, and wait for the next pause; raises what the integrator raises."""
        self._replies.put(evaluation)
        request = self._requests.get()
        if isinstance(request, BaseException):
            raise request
        return request

    def end(self) -> None:
        """End the thread, even in the middle of a step."""
        self._replies.put(_End())
        self._thread.join()

    def _work(self, integrator: Integrator, state: State, dt: float) -> None:
        remote = _Remote(self)
        try:
            with torch.no_grad():
                self.wait()
                state = integrator.init(state, remote)
                while True:
                    self._requests.put(CompletedStep(state))
                    self.wait()
                    state = integrator.step(state, remote, dt)
        except _End:
            pass
        except BaseException as error:  # noqa: BLE001 (raised again by `resume`, in the thread that waits)
            self._requests.put(error)

    def evaluate(self, state: State) -> Evaluation:
        self._requests.put(ForceRequest(state))
        return self.wait()

    def wait(self) -> Any:
        reply = self._replies.get()
        if isinstance(reply, _End):
            raise reply
        return reply


class _Remote(Potential):
    """The potential that the integrator calls; every evaluation becomes a request."""

    cutoff = 0.0

    def __init__(self, thread: IntegratorThread) -> None:
        super().__init__()
        self.__dict__["thread"] = thread

    def evaluate(self, state: State, *, stress: bool = False, **wanted: Any) -> Evaluation:
        if stress:
            raise LabkitError(
                "this integrator needs the stress; inside LAMMPS let LAMMPS change the box (fix press/...)"
            )
        return self.thread.evaluate(state)
