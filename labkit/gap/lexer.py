"""The tokens of gap_fit's settings: key=value, quotes, nested braces, comments, with their line numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from labkit.errors import LabkitError


class Entry(NamedTuple):
    """One `key=value` and the line where its value begins."""

    key: str
    value: str
    line: int


class Source(NamedTuple):
    """The text being read, for errors."""

    name: str

    def error(self, message: str, line: int | None = None) -> LabkitError:
        return LabkitError(f"{self.name}{'' if line is None else f', line {line}'}: {message}")


def tokens(text: str, source: Source, line: int = 1) -> Iterator[Entry]:
    """Split text into entries; a word without '=' has an empty key."""
    text = re.sub(r"\\[ \t]*$", lambda m: " " * len(m[0]), _without_comments(text), flags=re.M)
    place = 0
    word = re.compile(r"[^\s,={}\"']+")
    while place < len(text):
        if text[place].isspace() or text[place] == ",":
            line += text[place] == "\n"
            place += 1
            continue
        found = word.match(text, place)
        if not found:
            raise source.error(f"found {text[place]!r}, expected key=value", line)
        key, place = found[0], found.end()
        equals = re.compile(r"\s*=[ \t]*").match(text, place)
        if not equals:
            yield Entry("", key, line)
            continue
        line += equals[0].count("\n")
        value, end = _value(text, equals.end(), key, source, line)
        yield Entry(key, value, line)
        line += text.count("\n", equals.end(), end)
        place = end


def _value(text: str, place: int, key: str, source: Source, line: int) -> tuple[str, int]:
    """The value that begins at `place`, without its quotes or outer braces, and where it ends."""
    opening = text[place : place + 1]
    if opening == "{":
        depth = 0
        for end in range(place, len(text)):
            depth += (text[end] == "{") - (text[end] == "}")
            if depth == 0:
                return text[place + 1 : end], end + 1
        raise source.error(f"the brace opened after {key}= is never closed; add '}}'", line)
    if opening in ("'", '"'):
        end = text.find(opening, place + 1)
        if end < 0:
            raise source.error(f"the quote opened after {key}= is never closed; add {opening}", line)
        inner = text[place + 1 : end]
        braced = inner.strip().startswith("{") and inner.strip().endswith("}")
        return (inner.replace("{", " ", 1)[::-1].replace("}", " ", 1)[::-1] if braced else inner), end + 1
    end = re.compile(r"[^\s,]*").match(text, place).end()  # type: ignore[union-attr]
    return text[place:end], end


def _without_comments(text: str) -> str:
    """Replace comments by spaces: what follows a '#' that begins a word outside quotes."""
    kept, quote = [], ""
    for line in text.split("\n"):
        for i, character in enumerate(line):
            if quote:
                quote = "" if character == quote else quote
            elif character in "'\"":
                quote = character
            elif character == "#" and (i == 0 or line[i - 1].isspace() or line[i - 1] in "{}"):
                line = line[:i]
                break
        kept.append(line)
    return "\n".join(kept)


def split_terms(text: str) -> list[str]:
    """Split at the colons outside braces and quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        depth += (character == "{") - (character == "}")
        if character == ":" and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def fields_of(text: str) -> list[str]:
    """The words of a list such as {ice:50:water:100}, which gap_fit divides at colons, semicolons and spaces.

    >>> fields_of("{ice:50; water:100}")
    ['ice', '50', 'water', '100']
    """
    return [word for word in re.split(r"[:;\s]+", text.strip().strip("{}")) if word]


def as_real(text: str) -> float | None:
    """A number as Fortran reads it, in any braces: 1.0d-3, { 5 }; None if it is none."""
    try:
        return float(re.sub(r"(?<=[\d.])[dD](?=[+-]?\d)", "e", text.strip("{} \t")))
    except ValueError:
        return None


def is_true(text: str) -> bool:
    """A logical as gap_fit reads it: T, true, .TRUE.; a key without a value is true."""
    return text.strip("{} .").upper()[:1] in ("T", "")
