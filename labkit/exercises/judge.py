"""`check`: is an answer right, and if not, what went wrong?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, get_origin, get_type_hints

from labkit.errors import LabkitError, suggest
from labkit.exercises import record
from labkit.exercises.catalogue import Exercise, find
from labkit.exercises.expected import Expected, plain
from labkit.exercises.sealed import Sealed
from labkit.exercises.verdict import NotAnswered, Verdict

HELP = "Look at the hints of the exercise, and try again."
NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


def check(number: str, answer: Any, /, **data: Any) -> Verdict:
    """Report whether `answer` to an exercise is right, or what may have gone wrong, and record the attempt.

    `data` are the learner's own objects from which the expected answer is computed. Raises NotAnswered while dots are
    in place of the answer (so that Run All ends there), LabkitError for an unknown exercise or missing data.

    >>> check("00.1", "12")
    Exercise 00.1: not yet. '12' is text; give the number itself, without quotes.
    """
    exercise = find(number)
    if any(_dots(thing) for thing in (answer, *data.values())):
        raise NotAnswered(f"Exercise {number}: replace the dots by your answer, then run this cell again.")
    right, message = judge(exercise, _target(exercise, data), answer)
    note = record.keep(number, right, answer)
    from labkit.exercises.overview import row

    return Verdict(number, exercise.title, right, message, note, row(exercise.notebook))


def judge(exercise: Exercise, target: Expected | Sealed, answer: Any) -> tuple[bool, str]:
    """Whether it is right, and the sentence to show."""
    value, message = _word(answer, target) if target.text else _number(answer, exercise.unit)
    if message:
        return False, message
    if target.right(value):
        return True, target.why
    message = target.mistake(value) or _among(value, target)
    return False, message or (_transformed(value, exercise.unit, target) if not target.text else "") or HELP


def _dots(thing: Any) -> bool:
    if isinstance(thing, Mapping):
        thing = list(thing.values())
    return thing is ... or (isinstance(thing, (list, tuple)) and any(item is ... for item in thing))


def _target(exercise: Exercise, data: Mapping[str, Any]) -> Expected | Sealed:
    call = ", ".join([f'check("{exercise.number}", answer', *(f"{name}={name}" for name in exercise.data)]) + ")"
    if set(data) != set(exercise.data):
        found = ", ".join(f"{name}=" for name in data) or "nothing"
        raise LabkitError(f"exercise {exercise.number} is checked by {call}; besides the answer it was given {found}")
    hints = get_type_hints(exercise.target)
    for name, thing in data.items():
        if not _is_a(thing, kind := get_origin(hints[name]) or hints[name]):
            found = repr(thing) if thing is None or isinstance(thing, Real) else f"a {type(thing).__name__}"
            raise LabkitError(
                f"exercise {exercise.number} could not use {name}: it is {found}, expected a {kind.__name__}; "
                f"run the cells above that make it, then {call}"
            )
    try:
        return exercise.target(**data)
    except LabkitError:
        raise
    except Exception as error:  # the learner's objects may be anything
        raise LabkitError(
            f"exercise {exercise.number} could not use {', '.join(data)} ({type(error).__name__}: {error}); "
            f"run the cells above that make them, then {call}"
        ) from error


def _is_a(thing: Any, kind: type) -> bool:
    """Whether a learner's object is of the type of a parameter; a pandas Series is a Mapping, an int a float."""
    if kind is float:
        return isinstance(thing, Real)
    return isinstance(thing, kind) or (kind is Mapping and hasattr(thing, "keys"))


def _number(answer: Any, unit: str) -> tuple[float, str]:
    """The answer as a number, and a message if it is not one."""
    expected = f"a number{f' in {unit}' if unit else ''}"
    if isinstance(answer, str):
        if NUMBER.fullmatch(answer):
            return 0.0, f"{answer!r} is text; give the number itself, without quotes."
        return 0.0, f"{answer!r} is text; expected {expected}, without quotes{' and without its unit' if unit else ''}."
    if hasattr(answer, "item") and getattr(answer, "size", None) is not None:
        size = answer.size() if callable(answer.size) else answer.size  # in torch size is a method
        count = answer.numel() if hasattr(answer, "numel") else size
        if count != 1:
            return 0.0, f"Your answer has {count} numbers; expected one."
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, Real):
        return 0.0, f"Your answer is of type {type(answer).__name__}; expected {expected}."
    value = float(answer)
    if value != value or value in (float("inf"), -float("inf")):
        return 0.0, f"Your answer is {value}: something before it went wrong, such as 0/0. Expected {expected}."
    return value, ""


def _word(answer: Any, target: Expected | Sealed) -> tuple[str, str]:
    if isinstance(answer, str) and answer.strip():
        return answer, ""
    return "", f"Expected text in quotes{_listed(target.among, ', one of ')}; found {answer!r}."


def _among(value: float | str, target: Expected | Sealed) -> str:
    if isinstance(value, str):
        if target.among and plain(value) not in map(plain, target.among):
            close = suggest(value, target.among)  # a question, which ends the sentence
            return f"{value!r} is none of {_listed(target.among)}{close or '.'}"
        return ""
    if target.among and not any(abs(value - other) <= 1e-6 * abs(other) for other in target.among):
        return f"{value:g} is none of those to choose from: {_listed(target.among)}."
    return ""


def _listed(options: Iterable[Any], before: str = "") -> str:
    words = ", ".join(repr(o) if isinstance(o, str) else f"{o:g}" for o in options)
    return f"{before}{words}" if words else ""


def _transformed(value: float, unit: str, target: Expected | Sealed) -> str:
    """What is wrong with a number that would be right except for its sign, its unit or a factor."""
    if target.right(-value):
        return "The size is right, but the sign is not."
    if "eV" in unit:
        other = unit.replace("meV", "eV") if "meV" in unit else unit.replace("eV", "meV")
        if target.right(value * 1000 if "meV" in unit else value / 1000):
            return f"This looks like the number in {other}; expected {unit}."
        if target.right(value / 1000 if "meV" in unit else value * 1000):
            return f"This is wrong by a factor of 1000; expected {unit}."
    return next((message for factor, message in target.factors.items() if target.right(value / factor)), "")
