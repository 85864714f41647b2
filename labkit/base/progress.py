"""Progress: receives reports from long work and tells it to stop; physics functions take one, jobs implement it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class Progress:
    """Base class for reports from a long computation; by itself it displays nothing and never stops.

    `update` reports how far the work is (`step` of `total`, with numbers or objects to display); `should_stop` is
    called once per block, and when it returns True the computation ends by raising `Stopped(partial=...)`.
    """

    def update(self, step: float, total: float, **metrics: Any) -> None:
        """Called by the work once per block."""

    def should_stop(self) -> bool:
        """Whether the work must end after this block."""
        return False

    def part(self, k: float, n: float, size: float = 1, *, result: Callable[[], Any] | None = None) -> Progress:
        """The progress of part k of n equal parts, or of `size` units that begin at unit k of n.

        The part reports its own steps, from 0; they are converted to units of the whole. A `result` that it
        reports is dropped, as it is only that of the part; `result()` is called for that of the whole at each report.

        >>> class Printed(Progress):
        ...     def update(self, step, total, **metrics):
        ...         print(f"{step / total:.0%}")
        >>> second = Printed().part(1, 2)
        >>> second.update(30, 100)
        65%
        """
        return self if self is NO_PROGRESS else Part(self, k, n, size, result)


@dataclass(frozen=True)
class Part(Progress):
    """The progress of `size` units of work, from unit `begin` of the `total` of a whole."""

    whole: Progress
    begin: float
    total: float
    size: float = 1
    result: Callable[[], Any] | None = None

    def update(self, step: float, total: float, **metrics: Any) -> None:
        metrics.pop("result", None)
        if self.result is not None:
            metrics["result"] = self.result()
        self.whole.update(self.begin + (step * self.size / total if total else 0), self.total, **metrics)

    def should_stop(self) -> bool:
        return self.whole.should_stop()


NO_PROGRESS = Progress()
