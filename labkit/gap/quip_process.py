"""Run the gap_fit executable: find it, follow its log, stop it with all its children."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from labkit.base import Progress
from labkit.errors import LabkitError, Stopped
from labkit.gap.quip_potential import INSTALL

POLL = 0.1  # s


def executable() -> str:
    """The path of gap_fit: on PATH or beside Python. Raises LabkitError with the command that installs it."""
    found = shutil.which("gap_fit") or shutil.which("gap_fit", path=str(Path(sys.executable).parent))
    if found is None:
        raise LabkitError(f"gap_fit was not found on PATH; run: {INSTALL}")
    return found


def run(folder: Path, settings: str, log: Path, progress: Progress) -> None:
    """Run gap_fit in `folder` on its `settings` file until it ends; its output goes to `log`.

    Raises Stopped within a quarter of a second of a request, LabkitError with the end of the log on failure.
    """
    command = [executable(), f"config_file={settings}"]
    environment = os.environ | {"GFORTRAN_UNBUFFERED_PRECONNECTED": "y"}  # else the log comes in blocks of 8 kB
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    began = time.monotonic()
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL)
            step, stage = how_far(log.read_text(errors="replace"))
            progress.update(step, 100, stage=stage, elapsed=time.monotonic() - began)
            if process.returncode is not None:
                break
            if progress.should_stop():
                raise Stopped("gap_fit was stopped; no model was written")
    finally:
        _end(process)
    if process.returncode != 0:
        raise LabkitError(f"gap_fit failed (exit code {process.returncode}); its log ends with\n{tail(log)}")


def how_far(log: str) -> tuple[int, str]:
    """Percentage done and the stage, read from gap_fit's log.

    Nearly all of the time goes into the covariances of each descriptor, in proportion to its partial derivatives.
    """
    weights = [int(n) for n in re.findall(r"Number of partial derivatives of descriptors: +(\d+)", log)]
    if "GP sparsify" in log:
        return 99, "writing"
    if "TIMER: gpFull_covarianceMatrix_sparse  " in log:
        return 95, "solving"
    started = re.findall(r"Started sparse covariance matrix calculation of coordinate +(\d+)", log)
    if not started or not sum(weights):
        return (3, "descriptors") if weights else (0, "reading")
    last = int(started[-1])
    after = log[log.rindex("Started sparse covariance") :]
    percents = re.findall(r"Covariance matrix +(\d+)%", after)
    fraction = 1.0 if "Finished sparse covariance" in after else int(percents[-1]) / 100 if percents else 0.0
    done = (sum(weights[: last - 1]) + fraction * weights[last - 1]) / sum(weights)
    return 5 + int(90 * done), f"covariance of descriptor {last} of {len(weights)}"


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, without progress bars and empty lines."""
    text = re.sub(r"[^\n]*[\r\b]", "", log.read_text(errors="replace"))
    kept = [line.rstrip()[:300] for line in text.splitlines() if line.strip()]
    return "\n".join(kept[-lines:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """End gap_fit and all that it started, first with SIGTERM."""
    if process.poll() is not None:
        return
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
            return
