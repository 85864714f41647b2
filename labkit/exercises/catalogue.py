"""All exercises: functions of nb00.py, nb01.py, ... and sealed records of answers/00.json, 01.json, ..."""

from __future__ import annotations

import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError, suggest
from labkit.exercises.expected import Expected
from labkit.exercises.sealed import Sealed

HERE = Path(__file__).parent
NUMBER = re.compile(r"\d\d\.\d{1,2}")


@dataclass(frozen=True)
class Exercise:
    """One exercise: its `number` ("01.2": the second of notebook 01), `title`, the `unit` of its answer.

    target    computes the right answer from the learner's objects
    data      names of these objects
    optional  does not count towards the notebook
    """

    number: str
    title: str
    target: Callable[..., Expected | Sealed]
    unit: str = ""
    optional: bool = False

    @property
    def data(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.target).parameters)

    @property
    def notebook(self) -> str:
        return self.number[:2]


_made: dict[str, Exercise] = {}


def exercise(number: str, title: str, *, unit: str = "", optional: bool = False) -> Callable[[Callable], Callable]:
    """Make a function of nbNN.py an exercise; its parameters are what the learner passes by name to `check`."""

    def register(target: Callable[..., Expected]) -> Callable[..., Expected]:
        _add(_made, Exercise(number, title, target, unit, optional))
        return target

    return register


@cache
def catalogue() -> dict[str, Exercise]:
    """All exercises by number, in order; raises LabkitError if two have the same number."""
    for module in pkgutil.iter_modules([str(HERE)]):
        if re.fullmatch(r"nb\d\d", module.name):
            import_module(f"labkit.exercises.{module.name}")
    found = dict(_made)
    for path in sorted((HERE / "answers").glob("*.json")):
        for one in sealed_exercises(path):
            _add(found, one)
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def find(number: str) -> Exercise:
    """The exercise with this number; raises LabkitError that lists the existing ones."""
    if not isinstance(number, str):
        raise LabkitError(f'the number of an exercise must be text, as in check("01.2", answer); found {number!r}')
    known = catalogue()
    if number not in known:
        same = [other for other in known if other[:2] == number[:2]]
        listing = f"notebook {number[:2]} has {', '.join(same)}" if same else f"there are {', '.join(known)}"
        raise LabkitError(f"there is no exercise {number!r}; {listing}{suggest(number, known)}")
    return known[number]


def sealed_exercises(path: Path) -> Iterator[Exercise]:
    """The records of a file of answers; raises LabkitError naming the file if it is not one."""
    try:
        for number, record in json.loads(path.read_text(encoding="utf-8")).items():
            yield _sealed(number, record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabkitError(
            f"{path}: is not a file of sealed answers ({type(error).__name__}: {error}); restore it from the repository"
        ) from error


def _sealed(number: str, record: Mapping[str, Any]) -> Exercise:
    plain = {key: record[key] for key in ("text", "rel", "abs", "among", "why") if key in record}
    factors = {float(key): message for key, message in record.get("factors", {}).items()}
    target = Sealed(
        record["salt"], frozenset(record["hashes"]), known=record.get("known", {}), factors=factors, **plain
    )
    return Exercise(number, record["title"], lambda: target, record.get("unit", ""), record.get("optional", False))


def _add(exercises: dict[str, Exercise], one: Exercise) -> None:
    if not NUMBER.fullmatch(one.number):
        raise LabkitError(f"an exercise has the number {one.number!r}, expected one such as '01.2'")
    if one.number in exercises:
        raise LabkitError(f"two exercises have the number {one.number}; change one of them")
    exercises[one.number] = one


def _order(number: str) -> tuple[int, int]:
    notebook, _, which = number.partition(".")
    return int(notebook), int(which)
