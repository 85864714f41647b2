"""The comment line of extended XYZ: as ASE reads it, with stresses of six numbers, and no key twice."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from ase.io.extxyz import SPECIAL_3_3_KEYS, key_val_str_to_dict

CLOSING = {"'": "'", '"': '"', "{": "}", "[": "]"}
MAYBE = re.compile(r"([^\s=\"'{}\[\]]+)\"?\s*=")


def parsed(line: str, unused: bool = False) -> dict[str, Any]:
    """The values by key. A stress or virial may have six numbers; with `unused` it may be anything.

    Raises ValueError as ASE does, and for other numbers of them.

    >>> parsed("energy=-1 stress='1 2 3 4 5 6'")["stress"].shape
    (6,)
    """
    try:
        return _values(line)
    except ValueError:
        found: dict[str, Any] = {}
        for entry in entries(line):
            key, _, value = entry.partition("=")
            numbers = value.strip("\"'{}[] ").replace(",", " ").split()
            if key not in SPECIAL_3_3_KEYS - {"Lattice"} or len(numbers) != 6 and not unused:
                found.update(_values(entry))
            elif len(numbers) == 6:
                found[key] = np.array(numbers, dtype=float)
            else:
                found[key] = value
        return found


def _values(text: str) -> dict[str, Any]:
    try:
        return key_val_str_to_dict(text)
    except IndexError as error:  # of ASE, at the start of a line
        raise ValueError("it begins with '='; expected key=value") from error


def repeated_key(line: str) -> tuple[str, Any, Any] | None:
    """The first key that appears twice with different values, and both values; None if there is none.

    >>> repeated_key("a=1 note='a=2' a=3")[0]
    'a'
    """
    names = MAYBE.findall(line)
    if len(set(names)) == len(names):  # the usual case; names within quotes are counted, too
        return None
    seen: dict[str, Any] = {}
    for entry in entries(line):
        for key, value in parsed(entry, unused=True).items():
            if key in seen and not np.array_equal(np.asarray(seen[key]), np.asarray(value)):
                return key, seen[key], value
            seen[key] = value
    return None


def entries(line: str) -> list[str]:
    """The text of each `key=value`, divided where ASE divides the line.

    >>> entries("a=1 b = 2 c='x y' d")
    ['a=1', 'b=2', "c='x y'", 'd']
    """
    words, closing, escaped = [""], "", False
    for character in line.strip():
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif closing:
            closing = "" if character == closing else closing
        elif character in CLOSING:
            closing = CLOSING[character]
        elif character.isspace():
            if words[-1] and not words[-1].endswith("="):
                words.append("")
            continue
        elif character == "=" and not words[-1] and len(words) > 1:
            words.pop()
        words[-1] += character
    return [word for word in words if word]
