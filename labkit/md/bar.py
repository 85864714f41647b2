"""Progress on a terminal: a bar with the time left; Ctrl-C or SIGTERM stops the work."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from labkit.jobs import JobProgress

WIDTH = 24


class Bar(JobProgress):
    """One line on stderr that is overwritten; without a terminal, a line every 30 s."""

    #: what is shown of the metrics, by name
    SHOWN: ClassVar = {
        "time_ps": "{:.4g} ps",
        "energy": "{:.6g} eV",
        "temperature": "{:.0f} K",
        "fmax": "fmax {:.2g} eV/Å",
    }

    def __init__(self) -> None:
        super().__init__(self._draw)
        self._printed = time.monotonic()
        self._live = sys.stderr.isatty()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within, the first Ctrl-C or SIGTERM stops the work after its current step; a second ends it at once."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def stop(*_: Any) -> None:
            self._stop.set()
            for number, handler in before.items():
                signal.signal(number, handler)

        for number in before:
            signal.signal(number, stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def line(self) -> str:
        """The displayed text."""
        full = round(WIDTH * self.fraction)
        words = [text.format(self.metrics[name]) for name, text in self.SHOWN.items() if name in self.metrics]
        left = self.eta
        words += [] if left is None else [f"{left / 3600:.1f} h left" if left > 7200 else f"{left:.0f} s left"]
        return f"{'█' * full}{'·' * (WIDTH - full)} {self.fraction:4.0%}  {self.step}/{self.total}  " + ", ".join(words)

    def _draw(self, metrics: dict[str, Any]) -> None:
        self.metrics, now = metrics, time.monotonic()
        done = self.step >= self.total
        if now - self._printed < (0.2 if self._live else 30.0) and not done:
            return
        self._printed = now
        start, end = ("\r\033[K", "\n" if done else "") if self._live else ("", "\n")
        print(f"{start}{self.line()}", end=end, file=sys.stderr, flush=True)
