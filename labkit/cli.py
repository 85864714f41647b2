"""The command `labkit`: one subcommand per module, imported only when needed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from labkit import __version__
from labkit.errors import LabkitError

# Each module has add_arguments(parser) and run(arguments) -> exit code.
COMMANDS = {
    "lab": ("labkit.lab", "open JupyterLab on the learner's copy of the first notebook"),
    "run": ("labkit.notebooks", "run notebooks headless, write HTML, print a table"),
    "doctor": ("labkit.doctor", "check this installation and say how to fix it"),
    "md": ("labkit.md", "run molecular dynamics from a TorchMD run file"),
    "train": ("labkit.train", "train a neural potential from a TorchMD-Net training file"),
    "hooks": ("labkit.lammps.command", "check and explain an MLMOD parameter file"),
    "student": ("labkit.student", "write copies of the notebooks without solutions"),
    "session": ("labkit.session", "carry answers, runs and models to another machine"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `labkit ARGUMENTS` and return the exit code: 0 success, 1 failure, 2 wrong usage or bad input.

    >>> main(["version"])
    labkit 0.1.0
    0
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parser(arguments[0] if arguments else "").parse_args(arguments)
        return options.run(options)
    except LabkitError as error:
        print(_red(f"labkit: {error}"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="labkit", description="Learn and do machine-learned molecular simulation in notebooks."
    )
    parser.add_argument("--version", action="version", version=f"labkit {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module_name, purpose) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
        if name == chosen:  # only then is the module, and what it needs, imported
            module = import_module(module_name)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    commands.add_parser("version", help="print the version").set_defaults(run=_print_version)
    return parser


def _print_version(_: argparse.Namespace) -> int:
    print(f"labkit {__version__}")
    return 0


def _red(text: str) -> str:
    return f"\033[31m{text}\033[0m" if sys.stderr.isatty() else text
