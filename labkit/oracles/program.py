"""Run a program in a folder, so that it can be stopped and a failure is reported with its last output."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from labkit.errors import Stopped
from labkit.oracles.errors import CalculationFailed, MissingProgram

ESPRESSO = "Quantum ESPRESSO, on Debian by apt-get install quantum-espresso quantum-espresso-data"
INSTALL = {"pw.x": ESPRESSO, "ph.x": ESPRESSO}


def require(program: str) -> str:
    """Return the program's full path, or raise MissingProgram, which says how to install it."""
    found = shutil.which(program)
    if found is None:
        raise MissingProgram(f"{program} is not on PATH; install {INSTALL.get(program, program)}")
    return found


def run(command: Sequence[str], folder: Path, output: str, should_stop: Callable[[], bool]) -> None:
    """Run `command` in `folder` with its output in the file `output`, on one thread, until done or `should_stop`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with open(folder / output, "wb") as file:
        process = subprocess.Popen(
            list(command), cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=environment
        )
        try:
            while process.poll() is None:
                if should_stop():
                    raise Stopped(f"{Path(command[0]).name} was stopped")
                try:
                    process.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode:
        words = last_words((folder / output).read_text(errors="replace"))
        raise CalculationFailed(f"{Path(command[0]).name} failed (exit {process.returncode}): {words}")


def last_words(text: str, lines: int = 6) -> str:
    """The last non-empty lines of a log."""
    return " | ".join([line.strip() for line in text.splitlines() if line.strip(" %\n")][-lines:]) or "it wrote nothing"
