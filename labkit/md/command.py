"""The command: read the run file, minimise, run, or resume a stopped run."""

from __future__ import annotations

import argparse
import shlex
import time
from pathlib import Path

from labkit.engine import lbfgs, maxwell_boltzmann, simulate
from labkit.engine.observers import Dcd, Thermodynamics, Xtc
from labkit.errors import LabkitError, Stopped
from labkit.md.bar import Bar
from labkit.md.prepare import prepare
from labkit.md.settings import RunSettings

STOPPED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="RUN.yaml", help="a run file with TorchMD's keys")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="resume from the checkpoint in log_dir")
    again.add_argument("--overwrite", action="store_true", help="start again and overwrite the files of an earlier run")


def run(options: argparse.Namespace) -> int:
    """Run it; returns 0 when all steps are done, 130 when stopped; results are in log_dir."""
    settings = RunSettings.read(options.file)
    log, name = Path(settings.log_dir), Path(settings.output)
    try:
        log.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabkitError(f"log_dir: {log}: is not a writable folder ({error.strerror}); choose another") from error
    checkpoint = log / f"{name.stem}.checkpoint"
    _check_again(options, checkpoint)
    prepared = prepare(settings, options.file.parent)
    state, bar = prepared.state, Bar()
    several = "-{system}" if settings.replicas > 1 else ""
    xtc = name.suffix == ".xtc"
    trajectory = log / f"{name.stem}{several}{'.xtc' if xtc else '.dcd'}"
    monitor = log / "monitor.csv"
    observers = [
        (Xtc if xtc else Dcd)(trajectory, settings.output_period),
        Thermodynamics(monitor, settings.output_period),
    ]
    start = time.monotonic()
    try:
        with bar.interruptible():
            if settings.minimize and not options.resume:
                state = lbfgs(state, prepared.potential, steps=settings.minimize, progress=bar).replace(
                    forces=None, energy=None, aux={}
                )
            state = maxwell_boltzmann(state, settings.temperature)
            simulate(
                state, prepared.potential, prepared.integrator, settings.steps, settings.timestep, observers=observers,
                progress=bar, checkpoint=checkpoint, checkpoint_every=settings.checkpoint_period, resume=options.resume,
                start=prepared.state,  # a run that resumes is not minimised again
            )  # fmt: skip
    except Stopped as stopped:
        print(f"\n{_stopped(options.file, stopped, checkpoint)}")
        return STOPPED
    seconds = time.monotonic() - start
    print(f"{settings.steps} steps, {settings.steps * settings.timestep * 1e-3:.6g} ps; this part took {seconds:.1f} s")
    print(f"trajectory {trajectory}, energies {monitor}, checkpoint {checkpoint}")
    return 0


def _check_again(options: argparse.Namespace, checkpoint: Path) -> None:
    """Neither overwrite an earlier run without a request, nor start one that was to be resumed."""
    if options.resume and not checkpoint.exists():
        raise LabkitError(
            f"--resume: there is no checkpoint {checkpoint}; start without it, or check log_dir and output"
        )
    if checkpoint.exists() and not (options.resume or options.overwrite):
        raise LabkitError(
            f"{checkpoint}: an earlier run is here; resume it (--resume), overwrite it (--overwrite), or choose "
            "another log_dir or output"
        )


def _stopped(file: Path, stopped: Stopped, checkpoint: Path) -> str:
    if not checkpoint.exists():
        return "stopped before the first step; nothing was saved"
    return f"{stopped}; resume with: labkit md {shlex.quote(str(file))} --resume"
