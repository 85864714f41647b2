"""The command: read the run file, minimise, run, or resume a stopped run."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path

from labkit.engine import lbfgs, maxwell_boltzmann, simulate
from labkit.engine.observers import Dcd, Thermodynamics, Xtc
from labkit.errors import Stopped
from labkit.md.bar import Bar
from labkit.md.output import Output
from labkit.md.prepare import prepare
from labkit.md.settings import RunSettings

STOPPED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="RUN.yaml", help="a run file with TorchMD's keys")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="resume from the checkpoint in log_dir")
    again.add_argument("--overwrite", action="store_true", help="start again and overwrite the files of an earlier run")
    parser.add_argument(
        "--trust", action="store_true", help="run the Python module that the run file names as external"
    )


def run(options: argparse.Namespace) -> int:
    """Run it; returns 0 when all steps are done, 130 when stopped; results are in log_dir."""
    settings = RunSettings.read(options.file)
    output = Output.of(settings.log_dir, settings.output, settings.replicas)
    with output.locked():
        return _run(options, settings, output)


def _run(options: argparse.Namespace, settings: RunSettings, output: Output) -> int:
    output.check(resume=options.resume, overwrite=options.overwrite)
    prepared = prepare(settings, options.file.parent, trust=options.trust)
    for note in prepared.notes:
        print(f"note: {note}", file=sys.stderr)
    state, bar = prepared.state, Bar()
    observers = [
        (Xtc if output.suffix == ".xtc" else Dcd)(output.trajectory, settings.output_period),
        Thermodynamics(output.monitor, settings.output_period),
    ]
    start, simulating = time.monotonic(), options.resume
    try:
        with bar.interruptible():
            if settings.minimize and not options.resume:
                state = lbfgs(state, prepared.potential, steps=settings.minimize, progress=bar).replace(
                    forces=None, energy=None, aux={}
                )
            state = maxwell_boltzmann(state, settings.temperature)
            if options.overwrite:
                output.clear()
            simulating = True
            simulate(
                state, prepared.potential, prepared.integrator, settings.steps, settings.timestep, observers=observers,
                progress=bar, checkpoint=output.checkpoint, checkpoint_every=settings.checkpoint_period,
                resume=options.resume,
                start=prepared.state,  # a run that resumes is not minimised again
            )  # fmt: skip
    except Stopped as stopped:
        print(f"\n{_stopped(options, stopped, simulating and output.checkpoint.exists())}")
        return STOPPED
    seconds = time.monotonic() - start
    print(f"{settings.steps} steps, {settings.steps * settings.timestep * 1e-3:.6g} ps; this part took {seconds:.1f} s")
    print(f"trajectory {output.trajectory}, energies {output.monitor}, checkpoint {output.checkpoint}")
    return 0


def _stopped(options: argparse.Namespace, stopped: Stopped, saved: bool) -> str:
    if not saved:
        return "stopped before the first step; nothing was saved"
    trust = " --trust" if options.trust else ""
    return f"{stopped}; resume with: labkit md {shlex.quote(str(options.file))} --resume{trust}"
