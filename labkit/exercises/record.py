"""The record of answers in the session's folder: exercises.json."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labkit.config import config
from labkit.errors import LabkitError
from labkit.files import atomic_write, lock

FORMAT = 1
LONGEST = 200  # characters of an answer that are stored

#: number -> {"tries": int, "answer": str, "when": ISO time, "done": ISO time of the first right answer or ""}
Entries = dict[str, dict[str, Any]]


def path() -> Path:
    return config().session / "exercises.json"


def keep(number: str, right: bool, answer: Any) -> str:
    """Add an answer; return a message for the learner if that was not possible, or ""."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        with locked(path()):
            entries, note = rescued(path())
            before = entries.get(number, {"tries": 0, "done": "", "answer": ""})
            entries[number] = {
                "tries": before["tries"] + 1,
                "answer": before["answer"] if before["done"] and not right else shown(answer),
                "when": now,
                "done": before["done"] or (now if right else ""),
            }
            atomic_write(path(), text(entries))
        return note
    except LabkitError as error:
        return f"Your progress was not saved: {error}"


def shown(answer: Any) -> str:
    """An answer as it is stored: a number without numpy's type around it.

    >>> import numpy as np
    >>> shown(np.float64(2.5)), shown("forces")
    ('2.5', "'forces'")
    """
    return repr(answer.item() if hasattr(answer, "item") and getattr(answer, "size", 0) == 1 else answer)[:LONGEST]


def entries() -> tuple[Entries, str]:
    """The stored entries, and a message if they cannot be read."""
    try:
        return parse(path().read_text(encoding="utf-8"), path()), ""
    except FileNotFoundError:
        return {}, ""
    except (OSError, UnicodeDecodeError) as error:
        return {}, f"{path()}: cannot be read ({error})"
    except LabkitError as error:
        return {}, str(error)


def parse(content: str, where: str | os.PathLike[str]) -> Entries:
    """The entries of a file's content; raises LabkitError if it is damaged."""
    try:
        record = json.loads(content)
        if record["format"] > FORMAT:
            raise NewerError(f"{where}: was made by a newer labkit; update this one, or set LABKIT_SESSION elsewhere")
        for one in record["exercises"].values():
            if not (type(one["tries"]) is int and all(type(one[key]) is str for key in ("answer", "when", "done"))):
                raise TypeError("an entry lacks tries, answer, when or done")
        return record["exercises"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, LabkitError):
            raise
        raise DamagedError(f"{where}: the record of answered exercises is damaged ({error})") from error


def text(entries: Entries) -> str:
    return json.dumps({"format": FORMAT, "exercises": dict(sorted(entries.items()))}, indent=1, ensure_ascii=False)


def merge(one: Entries, other: Entries) -> Entries:
    """Done if done in either, at the earlier time; the later answer and the larger number of tries are kept."""
    merged = dict(one)
    for number, theirs in other.items():
        ours = merged.get(number, theirs)
        done = sorted(filter(None, (ours["done"], theirs["done"])))
        tries = max(ours["tries"], theirs["tries"])
        merged[number] = {**max(ours, theirs, key=_when), "tries": tries, "done": (done or [""])[0]}
    return merged


class NewerError(LabkitError):
    """A file of a newer format, which must not be changed."""


class DamagedError(LabkitError):
    """A damaged file."""


def rescued(file: Path) -> tuple[Entries, str]:
    """The entries of `file`; a damaged one is renamed, with a message."""
    try:
        return parse(file.read_text(encoding="utf-8"), file), ""
    except FileNotFoundError:
        return {}, ""
    except (DamagedError, UnicodeDecodeError):
        try:
            aside = set_aside(file)
        except OSError as error:
            raise LabkitError(f"{file}: is damaged and cannot be set aside ({error.strerror})") from error
        return {}, f"{file.name} was damaged: a new one was started, the old one is kept as {aside.name}."
    except OSError as error:
        raise LabkitError(f"{file}: cannot be read ({error.strerror}); set LABKIT_SESSION to another folder") from error


def set_aside(file: Path) -> Path:
    k = 1
    while (aside := file.with_name(f"{file.stem}.damaged-{k}{file.suffix}")).exists():
        k += 1
    file.rename(aside)
    return aside


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Lock `file` against other kernels while it is read, changed and written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        held = lock(file)
    except OSError as error:
        raise LabkitError(
            f"{file.parent}: cannot be written to ({error.strerror}); set LABKIT_SESSION to another folder"
        ) from error
    with held:
        yield


def _when(entry: Mapping[str, Any]) -> str:
    return entry["when"]
