"""`labkit doctor`: what works here, what does not, and how to fix it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module

from labkit.doctor.check import INSTALL, Check

__all__ = ["Check", "examine"]

STEPS = {  # module: its checks, each a function that yields results
    "installation": ("python", "packages", "compute", "memory", "nglview", "gap_fit", "chromium"),
    "selftest": ("selftest",),
}


def examine() -> Iterator[Check]:
    """Yield the checks one by one, as soon as each is done; one that raises an error is reported as failed.

    >>> next(examine()).name
    'python'
    """
    for module, names in STEPS.items():
        for name in names:
            try:
                yield from getattr(import_module(f"labkit.doctor.{module}"), name)()
            except Exception as error:  # noqa: BLE001 - the remaining checks run, whatever is broken
                yield Check(name, "fail", f"{type(error).__name__}: {error}", INSTALL)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the checks as JSON")


def run(options: argparse.Namespace) -> int:
    checks = []
    for check in examine():
        checks.append(check)
        if not options.json:
            print(check, flush=True)
    failed = any(check.status == "fail" for check in checks)
    if options.json:
        print(json.dumps({"ok": not failed, "checks": [asdict(check) for check in checks]}, indent=2))
    return 1 if failed else 0
