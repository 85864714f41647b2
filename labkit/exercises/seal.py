"""`python -m labkit.exercises.seal 02.1 412 --rel 0.05 --title "..."`: add a sealed answer to answers/02.json."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from labkit.errors import LabkitError
from labkit.exercises.catalogue import HERE, NUMBER
from labkit.exercises.sealed import Sealed
from labkit.files import atomic_write


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the record, replacing an earlier one with this number; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if not NUMBER.fullmatch(options.number):
            raise LabkitError(f"the number is {options.number!r}, expected one such as 02.1")
        mistakes = {_value(value): message for value, message in options.mistake}
        sealed = Sealed.of(_value(options.value), rel=options.rel, abs=options.abs, mistakes=mistakes)
        folder = HERE / "answers"
        file = folder / f"{options.number[:2]}.json"
        records = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        records[options.number] = _record(sealed, options)
        atomic_write(file, json.dumps(dict(sorted(records.items())), indent=1, ensure_ascii=False) + "\n")
    except LabkitError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{file}: exercise {options.number}, {len(sealed.hashes) + len(sealed.known)} hashes\n")
    return 0


def _record(sealed: Sealed, options: argparse.Namespace) -> dict[str, Any]:
    record = {
        "title": options.title,
        "unit": options.unit,
        "optional": options.optional,
        "text": sealed.text,
        "rel": sealed.rel,
        "abs": sealed.abs,
        "why": options.why,
        "among": [_value(word) for word in options.among],
        "factors": dict(options.factor),
        "salt": sealed.salt,
        "hashes": sorted(sealed.hashes),  # sorted: their order does not reveal the answer
        "known": dict(sorted(sealed.known.items())),
    }
    return {key: value for key, value in record.items() if value}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m labkit.exercises.seal", description=__doc__)
    parser.add_argument("number", help="of the exercise, as in 02.1")
    parser.add_argument("value", help="the right answer: a number, or a word")
    parser.add_argument("--title", required=True, help="shown in the table of progress")
    parser.add_argument("--unit", default="", help="of the number, as in meV/Å")
    parser.add_argument("--rel", type=float, default=0.0, help="relative tolerance")
    parser.add_argument("--abs", type=float, default=0.0, help="absolute tolerance")
    parser.add_argument("--mistake", nargs=2, action="append", default=[], metavar=("VALUE", "SENTENCE"))
    parser.add_argument("--factor", nargs=2, action="append", default=[], metavar=("FACTOR", "SENTENCE"))
    parser.add_argument("--among", nargs="+", default=[], metavar="VALUE", help="the possible answers")
    parser.add_argument("--why", default="", help="shown with 'right'; do not give the answer away")
    parser.add_argument("--optional", action="store_true", help="does not count towards the notebook")
    return parser


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


if __name__ == "__main__":
    sys.exit(main())
