"""`labkit hooks check FILE.xml`: is a parameter file of MLMOD valid, and what does it do?"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import labkit
from labkit.errors import LabkitError
from labkit.lammps.mlmod.inspection import inspect
from labkit.lammps.mlmod.kinds import KINDS, blocks
from labkit.lammps.mlmod.parameters import Parameters
from labkit.lammps.units import Units

#: what the process that runs models sees of the environment, which may hold secrets
KEPT = ("PATH", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")
TIME = 300  # s for trying all models
PLACES = {
    "INITIAL_INTEGRATE": "before the forces of a step",
    "POST_FORCE": "when the forces of a step are known",
    "FINAL_INTEGRATE": "at the end of a step",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["check"], help="check a parameter file, try its models, explain it")
    parser.add_argument("file", type=Path, metavar="FILE.xml", help="a parameter file of MLMOD")
    parser.add_argument("--atoms", type=int, help="atoms of the group; by default models are tried with several")
    parser.add_argument(
        "--trust", action="store_true", help="run models whatever they do, as you: only those of people you trust"
    )


def run(options: argparse.Namespace) -> int:
    """Explain the file; 0 if it is valid, otherwise LabkitError (exit code 2)."""
    if options.atoms is not None and options.atoms < 1:
        raise LabkitError(f"--atoms is {options.atoms}; expected a whole number from 1")
    parameters = Parameters.read(options.file, {name: kind.keys for name, kind in KINDS.items()})
    kind = KINDS[parameters.kind]
    print(f"{options.file}: type {parameters.kind}\n  It {kind.description}.")
    for name, value in parameters.values.items():
        if name not in kind.models and value is not None:
            shown = " ".join(value) if isinstance(value, tuple) else int(value) if isinstance(value, bool) else value
            line = parameters.lines.get(name)
            print(f"  {name} = {shown} ({f'line {line}' if line else 'not given'})")
    made = blocks(parameters, Units(1.0, 1.0, 1.0, 1.0))
    for place in parameters["mask_fix"]:
        print(f"  {place}: {PLACES[place]}")
    for key in kind.models if not options.trust else ():
        inspect(parameters.file(key), parameters.where(key))
    if kind.models:
        _try(options)
    else:
        kind.make(parameters, made, {}, None)  # errors that only appear when the parts are combined
    print("  It has no units: those of LAMMPS's units style are used. It is valid.")
    return 0


def _try(options: argparse.Namespace) -> None:
    """Run the models in a process of their own, with as few rights as the platform can take away."""
    paths = [str(Path(labkit.__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    kept = {k: v for k, v in os.environ.items() if k in KEPT or k.startswith(("LC_", "OMP_", "LABKIT_", "MKL_"))}
    words = [str(options.file), str(options.atoms or 0), "trusted" if options.trust else "confined"]
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "labkit.lammps.trial", *words],
            env={**(os.environ if options.trust else kept), "PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True, text=True, timeout=TIME,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise LabkitError(
            f"{options.file}: its models did not end within {TIME} s; give the number in the group: --atoms N"
        ) from error
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or [f"the process that ran them ended with {done.returncode}"]
        raise LabkitError(said[0] if done.returncode == 2 else f"{options.file}: its models do not run: {said[0]}")
    *shown, refused = done.stdout.splitlines()
    print("\n".join(shown))
    print(f"  {_rights(options.trust, refused.removeprefix('confined: '))}")


def _rights(trusted: bool, refused: str) -> str:
    """What it meant that the models were run."""
    if trusted:
        return "Models are programs: they ran as you, uninspected, and could do all that you can."
    checked = "Models are programs: their code was read first, and computes with tensors only. They then ran "
    if not refused:
        return checked + "as you, since this system cannot confine a process: run only those of people you trust."
    return checked + f"in a process that could not {refused}."
