"""MLMOD's XML parameter files: what they hold, on which line, and what is wrong with them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from labkit.errors import LabkitError, suggest
from labkit.lammps.loading import INSTALL

MASK_FIX = ("INITIAL_INTEGRATE", "FINAL_INTEGRATE", "POST_FORCE")
MASK_INPUT = ("X", "V", "F", "Type", "Time")


@dataclass(frozen=True)
class Key:
    """How the text of a key is read, and what it is where it is left out; without a default it must be there."""

    read: Callable[[str], Any]
    default: Any = None
    required: bool = True


@dataclass(frozen=True)
class Parameters:
    """A file's type and values, and the lines that they stand on."""

    path: Path
    kind: str
    values: Mapping[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | os.PathLike[str], kinds: Mapping[str, Mapping[str, Key]]) -> Parameters:
        """Read a file whose type is one of `kinds`, each with its keys.

        Raises LabkitError, with the line, for what is no XML, for an unknown type, and for unknown, missing, repeated
        or unreadable keys.
        """
        path = Path(path)
        root, lines = _tree(path)

        def at(element: Element) -> str:
            return f"{path}, line {lines[element]}"

        if root.tag != "MLMOD":
            raise LabkitError(f"{at(root)}: the root is <{root.tag}>, expected <MLMOD>")
        data = root.find("model_data")
        if data is None or "type" not in data.attrib:
            raise LabkitError(f'{at(root)}: expected <model_data type="..."> in <MLMOD>')
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
                raise LabkitError(f"{at(element)}: key {element.tag!r} stands on line {found[element.tag]} already")
            if "value" not in element.attrib:
                raise LabkitError(f'{at(element)}: expected <{element.tag} value="..."/>')
            found[element.tag] = lines[element]
            try:
                values[element.tag] = keys[element.tag].read(element.attrib["value"].strip())
            except ValueError as error:
                raise LabkitError(f"{at(element)}: {element.tag}: {error}") from error
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
        """The file that a key names: from the working folder, as MLMOD has it, else from the folder of this one."""
        named = Path(self[key])
        for place in (named, self.path.parent / named):
            if place.is_file():
                return place
        tried = " or ".join(dict.fromkeys((str(named), str(self.path.parent / named))))
        raise LabkitError(
            f"{self.where(key)}: there is no file {tried}; bring the exported model there, or mend its name"
        )


def number(text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is no number")
    return value


def positive(text: str) -> float:
    if not number(text) > 0:
        raise ValueError(f"{text} is not positive")
    return number(text)


def count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ValueError(f"{text!r} is no whole number from 1")
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


def _tree(path: Path) -> tuple[Element, dict[Element, int]]:
    """The root of a file and the line of each element."""
    try:
        from defusedxml.common import DefusedXmlException
        from defusedxml.ElementTree import DefusedXMLParser
    except ImportError as error:
        raise LabkitError(f"defusedxml, which reads XML safely, is not installed; run: {INSTALL}") from error
    lines: dict[Element, int] = {}

    class Numbered(TreeBuilder):
        def start(self, tag: Any, attributes: Any, /) -> Element:
            element = super().start(tag, attributes)
            lines[element] = parser.parser.CurrentLineNumber
            return element

    parser = DefusedXMLParser(target=Numbered(), forbid_dtd=True)
    try:
        parser.feed(path.read_bytes())
        return parser.close(), lines
    except ParseError as error:
        line, column = error.position
        text = path.read_text(errors="replace").splitlines()
        shown = text[line - 1].strip() if line <= len(text) else "the end of the file"
        raise LabkitError(
            f"{path}, line {line}, column {column + 1}: no well-formed XML ({error.msg}): {shown}"
        ) from error
    except DefusedXmlException as error:
        raise LabkitError(
            f"{path}: has a document type or entities, which a parameter file needs not: {error}"
        ) from error
    except OSError as error:
        raise LabkitError(f"{path}: cannot be read ({error.strerror}); expected a parameter file of MLMOD's") from error
