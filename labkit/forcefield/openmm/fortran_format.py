"""Fortran's FORMAT, as far as records of A, I, F, E, D and G fields need it: at which columns the fields stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?:(?P<repeat>\d+)?\s*(?:(?P<open>\()|(?P<letter>ES|EN|[AIFEDGLZ])\s*(?P<width>\d+)?(?:\.\d+)?(?:E\d+)?"
    r"|(?P<skip>X))|[+-]?\d+\s*P|T(?P<tab>[LR]?)\s*(?P<column>\d+)|(?P<close>\))"
    r"|'(?P<quoted>[^']*)'|\"(?P<double>[^\"]*)\"|B[NZ]|S[PS]?|[,/:])",
    re.IGNORECASE,
)
_EXPONENT = re.compile(r"(?<=[\d.])[DdQq](?=[+-]?\d)|(?<=[\d.])(?=[+-]\d+$)")  # 1.0D-3, and 1.0-103 of Fortran


@dataclass(frozen=True)
class Field:
    """One field of a record: letter of its kind, first column and the column after its last (None: to the end)."""

    letter: str
    start: int
    end: int | None


class FortranFormat:
    """A FORMAT such as (20a4), (5E16.8), (8(F9.5)) or (i2,a78), with or without its outer parentheses.

    Raises ValueError for what is no FORMAT, or has no field.

    >>> FortranFormat("8(F9.5)").split("  1.00000 -2.50000")
    ['1.00000', '-2.50000']
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        whole = self.text[1:-1] if _one_group(self.text) else self.text
        self.fields, self.width = _places(*_parsed(whole))

    @property
    def letters(self) -> set[str]:
        return {field.letter for field in self.fields}

    def split(self, line: str) -> list[str]:
        """The fields of one record up to its last character, stripped; numbers as Python writes them, blank ones 0.

        A record that is longer than the format begins it again.
        """
        line = line.rstrip()
        found, start = [], 0
        while start < len(line):
            for field in self.fields:
                if start + field.start >= len(line):
                    break
                text = line[start + field.start : None if field.end is None else start + field.end].strip()
                found.append(text if field.letter in "AL" else _EXPONENT.sub("E", text) or "0")
            if self.width is None:
                break
            start += self.width
        return found


def _one_group(text: str) -> bool:
    """Whether one pair of parentheses encloses all of it."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return letter == ")" and place == len(text) - 1
    return False


def _parsed(text: str) -> tuple[list[tuple[str, int | None]], str]:
    """Edit descriptors in order with their widths: groups are written out; X is a field that is skipped."""
    stack: list[tuple[int, list]] = [(1, [])]
    place = 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None or match.end() == place:
            raise ValueError(f"({text}) is no FORMAT of Fortran that labkit reads")
        place, times = match.end(), int(match["repeat"] or 1)
        if match["open"]:
            stack.append((times, []))
        elif match["close"]:
            if len(stack) == 1:
                raise ValueError(f"({text}): a parenthesis too many")
            times, group = stack.pop()
            stack[-1][1].extend(group * _bounded(times * len(group), text, times))
        elif match["letter"]:
            width = None if match["width"] is None else int(match["width"])
            stack[-1][1].extend([(match["letter"][0].upper(), width)] * _bounded(times, text))
        elif match["skip"]:
            stack[-1][1].append(("X", times))
        elif match["quoted"] is not None or match["double"] is not None:
            stack[-1][1].append(("X", len(match["quoted"] or match["double"] or "")))
        elif match["column"]:
            stack[-1][1].append((f"T{match['tab'].upper()}", int(match["column"])))
    if len(stack) != 1:
        raise ValueError(f"({text}): a parenthesis is missing")
    return stack[0][1], text


def _bounded(count: int, text: str, times: int | None = None) -> int:
    if count > 100_000:
        raise ValueError(f"({text}): more fields than any record has")
    return count if times is None else times


def _places(descriptors: list[tuple[str, int | None]], text: str) -> tuple[list[Field], int | None]:
    fields, column, widest = [], 0, 0
    for letter, width in descriptors:
        if letter in ("X", "TR"):
            column += width or 0
        elif letter == "TL":
            column = max(0, column - (width or 0))
        elif letter == "T":
            column = max(0, (width or 1) - 1)
        elif not width:
            if letter != "A" or width == 0:
                raise ValueError(f"({text}): {letter} without a width")
            return [*fields, Field("A", column, None)], None
        else:
            fields.append(Field(letter, column, column + width))
            column += width
        widest = max(widest, column)
    if not fields:
        raise ValueError(f"({text}): no field")
    return fields, widest


def written(values: list[str], letters: set[str]) -> tuple[str, Iterator[str]]:
    """A plain FORMAT for `values`, (10I8), (5E16.8) or (20a4) or wider where they need it, and its records."""
    if letters <= {"I"}:
        wide = max([8, *(len(v) + 1 for v in values)])
        form, per, cells = f"I{wide}", 80 // wide or 1, [v.rjust(wide) for v in values]
    elif letters <= set("FEDG"):
        form, per, cells = "E24.16", 3, [f"{float(v):24.16E}" for v in values]
    else:
        wide = max([4, *(len(v) for v in values)])
        form, per, cells = f"a{wide}", 80 // wide or 1, [v.ljust(wide) for v in values]
    return f"({per}{form})", ("".join(cells[k : k + per]) for k in range(0, len(cells), per))
