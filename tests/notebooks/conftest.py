"""The seconds and the memory of each notebook are reported after the tests, whether these pass or not."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tests = [test for tests in terminalreporter.stats.values() for test in tests if hasattr(test, "user_properties")]
    measured = {d["notebook"]: d for d in (dict(test.user_properties) for test in tests) if "notebook" in d}
    if measured:
        terminalreporter.section("notebooks in fast mode")
    for name, found in sorted(measured.items()):
        terminalreporter.write_line(f"{name:32}{found['seconds']:7.1f} s{found['memory']:8.0f} MB")
