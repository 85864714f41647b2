"""MLMOD's XML parameter files: their values, line numbers and errors."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError, suggest
from labkit.lammps.mlmod.tree import Tree

MASK_FIX = ("INITIAL_INTEGRATE", "FINAL_INTEGRATE", "POST_FORCE")
MASK_INPUT = ("X", "V", "F", "Type", "Time")


@dataclass(frozen=True)
class Key:
    """How the text of a key is read, and its default; a key without a default is required."""

    read: Callable[[str], Any]
    default: Any = None
    required: bool = True


@dataclass(frozen=True)
class Parameters:
    """A file's type and values, and their line numbers."""

    path: Path
    kind: str
    values: Mapping[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | os.PathLike[str], kinds: Mapping[str, Mapping[str, Key]]) -> Parameters:
        """Read a file whose type is one of `kinds`, each with its keys.

        Raises LabkitError, with the line, if it is not XML, for an unknown type, for unknown, missing, repeated or
        unreadable keys, and for any other content that would be ignored.
        """
        path = Path(path)
        tree = Tree.read(path)
        root, at = tree.root, tree.at
        if root.tag != "MLMOD":
            raise LabkitError(f"{at(root)}: the root is <{root.tag}>, expected <MLMOD>")
        data = root.find("model_data")
        if data is None or "type" not in data.attrib:
            raise LabkitError(f'{at(root)}: expected <model_data type="..."> in <MLMOD>')
        tree.check(root)
        tree.check(data, "type")
        for element in root:
            if element is not data:
                named = "a second <model_data>" if element.tag == "model_data" else f"<{element.tag}>"
                raise LabkitError(f"{at(element)}: {named} next to <model_data>; a file has one and nothing else")
        kind = data.attrib["type"]
        if kind not in kinds:
            known = ", ".join(kinds)
            raise LabkitError(f"{at(data)}: type {kind!r}, expected one of {known}{suggest(kind, kinds)}")
        keys, found, values = kinds[kind], {}, {}
        for element in data:
            if element.tag not in keys:
                expected = ", ".join(keys)
                raise LabkitError(
                    f"{at(element)}: key {element.tag!r} is unknown for type {kind}{suggest(element.tag, keys)}; "
                    f"expected {expected}"
                )
            if element.tag in found:
                raise LabkitError(f"{at(element)}: key {element.tag!r} is already on line {found[element.tag]}")
            if "value" not in element.attrib:
                raise LabkitError(f'{at(element)}: expected <{element.tag} value="..."/>')
            tree.check(element, "value")
            if len(element):
                raise LabkitError(
                    f"{at(element[0])}: <{element[0].tag}> within <{element.tag}>; keys must not be nested"
                )
            found[element.tag] = tree.lines[element]
            try:
                values[element.tag] = keys[element.tag].read(element.attrib["value"].strip())
            except ValueError as error:
                raise LabkitError(f"{at(element)}: {element.tag}: {error}") from error
        for line, text in tree.texts:
            raise LabkitError(
                f"{path}, line {line}: the text {text!r} belongs to no key; remove it, or make it a comment"
            )
        missing = [name for name, key in keys.items() if key.required and name not in values]
        if missing:
            raise LabkitError(
                f'{at(data)}: type {kind} needs the key {missing[0]!r}; add <{missing[0]} value="..."/> to <model_data>'
            )
        defaults = {name: key.default for name, key in keys.items()}
        return cls(path, kind, {**defaults, **values}, found)

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def where(self, key: str) -> str:
        """File and line of a key, for errors."""
        return f"{self.path}, line {self.lines[key]}: {key}" if key in self.lines else f"{self.path}: {key}"

    def file(self, key: str) -> Path:
        """The file that a key names: from the working folder, as in MLMOD, or else from the folder of this one."""
        named = Path(self[key])
        for place in (named, self.path.parent / named):
            if os.path.isfile(place):  # unlike place.is_file(), no error for a name that is too long
                return place
        tried = " or ".join(dict.fromkeys((str(named), str(self.path.parent / named))))
        raise LabkitError(
            f"{self.where(key)}: there is no file {tried}; put the exported model there, or correct its name"
        )


def number(text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a number")
    return value


def positive(text: str) -> float:
    if not number(text) > 0:
        raise ValueError(f"{text} is not positive")
    return number(text)


def nonnegative(text: str) -> float:
    if number(text) < 0:
        raise ValueError(f"{text} is negative; expected 0 or more")
    return number(text)


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r} is not a whole number from 1")
    return int(text)


def flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"{text!r}, expected 0 or 1")
    return text == "1"


def words(options: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """Words of a list, with spaces between them; the order in which they are given does not matter."""

    def read(text: str) -> tuple[str, ...]:
        given = text.split()
        unknown = [word for word in given if word not in options]
        if unknown or not given:
            named = f"{unknown[0]!r} is unknown{suggest(unknown[0], options)}" if unknown else "names nothing"
            raise ValueError(f"{named}; expected some of {', '.join(options)}, with spaces between them")
        return tuple(option for option in options if option in given)

    return read
