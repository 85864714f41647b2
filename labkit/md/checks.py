"""Checks of the values of a run file, and the reading of its keys."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from labkit.errors import LabkitError, suggest

Check = Callable[[Any], Any]  # returns the converted value, or raises ValueError


def number(least: float = -math.inf, *, above: bool = False) -> Check:
    """A number, at least or above `least`."""

    def check(value: Any) -> float:
        found = math.nan if isinstance(value, bool) else float(value)  # YAML takes 1e-3 for text
        if not math.isfinite(found) or found < least or (above and found == least):
            raise ValueError
        return found

    return check


def whole(least: int) -> Check:
    """A whole number from `least`."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or int(float(value)) != float(value) or float(value) < least:
            raise ValueError
        return int(float(value))

    return check


def text(value: Any) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value


def flag(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ValueError
    return value


def names(value: Any) -> tuple[str, ...]:
    """Names in small letters, one or several."""
    return tuple(text(name).lower() for name in ([value] if isinstance(value, str) else list(value)))


def one_of(*options: str) -> Check:
    """One of some words."""

    def check(value: Any) -> str:
        if value not in options:
            raise ValueError
        return value

    return check


def files(value: Any) -> tuple[str, ...]:
    """Names of files, one or several."""
    found = tuple(text(name) for name in ([value] if isinstance(value, str) else list(value)))
    if not found:
        raise ValueError
    return found


def key(check: Check, expected: str, default: Any = None) -> Any:
    """A field of settings with its check, and what it says is expected."""
    return field(default=default, metadata={"check": check, "expected": expected})


def checked(values: Mapping[str, Any], known: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Values by key, without those that are null; `known` has a check and what is expected, by key.

    Raises LabkitError, naming `where` and the key, for an unknown key or a value that its check refuses.
    """
    found = {}
    for name, value in values.items():
        if name not in known:
            hint = suggest(str(name), known) or f"; known: {', '.join(known)}"
            raise LabkitError(f"{where}: unknown key {name!r}{hint}")
        if value is None:
            continue
        try:
            found[name] = known[name]["check"](value)
        except LabkitError as error:
            raise LabkitError(f"{where}: {error}") from error
        except (ValueError, TypeError, OverflowError) as error:
            raise LabkitError(f"{where}: {name} is {value!r}, expected {known[name]['expected']}") from error
    return found
