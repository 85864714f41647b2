"""How long work reports: a protocol that physics functions take and jobs implement."""

from __future__ import annotations

from typing import Any, Protocol


class Progress(Protocol):
    """What a long computation is given to report to.

    `update` says how far it is (`step` of `total`, with numbers or objects worth showing); `should_stop` is asked
    once a block, and a computation that hears True ends there, by raising `Stopped(partial=...)`.
    """

    def update(self, step: int, total: int, **metrics: Any) -> None: ...

    def should_stop(self) -> bool: ...


class NoProgress:
    """The default: reports nothing, never stops."""

    def update(self, step: int, total: int, **metrics: Any) -> None:
        pass

    def should_stop(self) -> bool:
        return False


NO_PROGRESS: Progress = NoProgress()
