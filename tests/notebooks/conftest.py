"""The seconds and the memory of each notebook are reported after the tests, whether these pass or not."""

from __future__ import annotations

import pytest

from labkit.notebooks import Report

MEASURED = pytest.StashKey[list[Report]]()


@pytest.fixture(scope="session")
def measured(pytestconfig: pytest.Config) -> list[Report]:
    """Reports appended here are printed at the end."""
    return pytestconfig.stash.setdefault(MEASURED, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reports = config.stash.get(MEASURED, [])
    if reports:
        terminalreporter.section("notebooks in fast mode")
    for report in reports:
        terminalreporter.write_line(f"{report.name:32}{report.seconds:7.1f} s{report.memory:8.0f} MB")
