"""A pytest plugin beside nbval: each notebook ends within its budget of time and memory, and its solutions pass.

Loaded by `-p budget`; two notebooks run side by side in fast mode, and what each took is told after the tests.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from nbval.plugin import IPyNbCell

from labkit.exercises import record
from labkit.exercises.copies import exercises, read
from labkit.notebooks import SAMPLING, memory

SECONDS = 60
MEMORY = 1000  # MB: kernel and children
METER = pytest.StashKey["Meter"]()


class Meter(threading.Thread):
    """Seconds since the kernel was asked for, and the peak memory (MB) of it and its children."""

    def __init__(self, notebook: pytest.Collector) -> None:
        super().__init__(daemon=True)
        self.notebook, self.memory, self.begun, self.ended = notebook, 0.0, time.perf_counter(), threading.Event()

    def run(self) -> None:
        while not self.ended.wait(SAMPLING):
            with suppress(AttributeError, psutil.Error):  # no kernel yet, or one that has just ended
                self.memory = max(self.memory, memory(self.notebook.kernel.km.provisioner.pid))

    def end(self) -> float:
        self.ended.set()
        self.join()
        return time.perf_counter() - self.begun


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if isinstance(item, IPyNbCell) and METER not in item.parent.stash:
        item.parent.stash[METER] = Meter(item.parent)
        item.parent.stash[METER].start()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """After a notebook's last cell, before its kernel is stopped."""
    last = isinstance(item, IPyNbCell) and (nextitem is None or nextitem.parent is not item.parent)
    seconds = item.parent.stash[METER].end() if last else 0.0
    yield
    if last:
        judge(item, seconds, item.parent.stash[METER].memory)


def judge(item: pytest.Item, seconds: float, memory: float) -> None:
    name = item.path.stem
    item.user_properties.append(("notebook", (name, seconds, memory)))
    answers = Path(os.environ["LABKIT_SESSION"], "exercises.json")
    entries = record.parse(answers.read_text(), answers) if answers.exists() else {}
    left = [number for number in exercises(read(item.path)) if not entries.get(number, {}).get("done")]
    faults = [f"{seconds:.1f} s, expected {SECONDS} at most"] if seconds > SECONDS else []
    faults += [] if 0 < memory <= MEMORY else [f"{memory:.0f} MB, expected {MEMORY} at most"]
    faults += [f"solutions of exercises {', '.join(left)} did not pass"] if left else []
    if faults:
        pytest.fail(f"{name}: {'; '.join(faults)}", pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = (one for some in terminalreporter.stats.values() for one in some)
    found = {tuple(value) for one in reports for key, value in getattr(one, "user_properties", ()) if key == "notebook"}
    if found:
        terminalreporter.section("notebooks in fast mode")
    for name, seconds, peak in sorted(found):
        terminalreporter.write_line(f"{name:32}{seconds:7.1f} s{peak:8.0f} MB")
