"""Killed with kill -9 at random moments and gone on with: every byte is that of a run that was not killed."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "run_to_kill.py"


def start(folder: Path, steps: int) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    path = os.pathsep.join([str(Path(__file__).resolve().parents[2]), *sys.path])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    line = [sys.executable, str(RUN), str(folder), str(steps)]
    return subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> None:
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error


def kill_in(folder: Path, steps: int, kills: int, chance: random.Random) -> int:
    """Start and kill; return how many times a run was still going."""
    done = 0
    for _ in range(kills):
        process = start(folder, steps)
        process.stdout.readline()  # the first step is done
        time.sleep(chance.uniform(0.0, 0.5))
        done += process.poll() is None
        process.kill()
        process.communicate()
    return done


def compare(tmp_path: Path, steps: int, kills: int) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    undisturbed = start(whole, steps)
    assert kill_in(killed, steps, kills, random.Random(steps)) >= min(kills, 2)
    finish(undisturbed)
    finish(start(killed, steps))
    names = sorted(path.name for path in whole.iterdir())
    assert sorted(path.name for path in killed.iterdir()) == names and len(names) >= 5
    for name in names:
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), name


def test_killed_once(tmp_path):
    compare(tmp_path, 400, 1)


@pytest.mark.slow
def test_killed_many_times(tmp_path):
    compare(tmp_path, 2000, 12)
