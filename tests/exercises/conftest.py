"""A session's folder that nobody else uses, and a data set to ask about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import labkit
from labkit.config import config
from labkit.datasets import Dataset


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as config().session."""
    return use(tmp_path / "session", monkeypatch)


def use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    changed = replace(config(), session=folder)
    monkeypatch.setattr("labkit.exercises.record.config", lambda: changed)
    return folder


@pytest.fixture(scope="session")
def ice() -> Dataset:
    return labkit.datasets.ice("train", n=50)
