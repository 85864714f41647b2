"""`labkit session export|import FILE.zip`: carry a learner's work from machine to machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from labkit.config import config
from labkit.session.link import export_link
from labkit.session.transfer import ImportedSession, export_session, import_session

__all__ = ["ImportedSession", "export_link", "export_session", "import_session"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="export|import")
    out = actions.add_parser("export", help="write this session (answers, runs, models) to a zip file")
    out.add_argument("file", type=Path, metavar="FILE.zip")
    out.add_argument("--overwrite", action="store_true", help="replace an existing file")
    into = actions.add_parser("import", help="add the session in a zip file to this one")
    into.add_argument("file", type=Path, metavar="FILE.zip")


def run(options: argparse.Namespace) -> int:
    if options.action == "export":
        names = export_session(options.file, overwrite=options.overwrite)
        print(f"{options.file}: {len(names)} files of {config().session}")
    else:
        print(f"{config().session}: {import_session(options.file)!r}")
    return 0
