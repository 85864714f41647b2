"""The command line of a tool: bad input is one sentence and exit code 2, as with the command labkit."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from labkit.errors import LabkitError


def run_command(
    name: str,
    purpose: str,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    run: Callable[[argparse.Namespace], int],
    arguments: Sequence[str] | None = None,
) -> int:
    """Run `python -m tools.NAME ARGUMENTS` and return its exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m tools.{name}", description=purpose)
    add_arguments(parser)
    try:
        return run(parser.parse_args(arguments))
    except LabkitError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
