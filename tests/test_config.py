"""Settings from the environment, each mistake a sentence."""

import os
import subprocess
import sys

import pytest

SHOW = "from labkit.config import config; c = config(); print(c.mode, c.fast, c.device.type, c.threads)"


def run(**environment: str) -> subprocess.CompletedProcess:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LABKIT_")}
    return subprocess.run([sys.executable, "-c", SHOW], env=kept | environment, capture_output=True, text=True)


def test_defaults_and_choices() -> None:
    assert run().stdout.split()[:3] == ["fast", "True", "cpu"]
    assert run(LABKIT_MODE="full", LABKIT_THREADS="1").stdout.split() == ["full", "False", "cpu", "1"]


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("LABKIT_MODE", "fats", "expected 'fast' or 'full'; did you mean 'fast'?"),
        ("LABKIT_DEVICE", "gpu9", "expected a torch device"),
        ("LABKIT_THREADS", "0", "expected a positive whole number"),
    ],
)
def test_mistakes(key: str, value: str, sentence: str) -> None:
    assert sentence in run(**{key: value}).stderr
