"""An XML file with the line of each element, read safely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from labkit.errors import LabkitError, suggest
from labkit.oracles.lammps.library import INSTALL


@dataclass(frozen=True)
class Tree:
    """The root of a file, the line of each element, and (line, text) of the text between them."""

    path: Path
    root: Element
    lines: Mapping[Element, int]
    texts: Sequence[tuple[int, str]]

    @classmethod
    def read(cls, path: Path) -> Tree:
        """Raises LabkitError, with line and column if known, if it is not XML or has entities."""
        try:
            from defusedxml.common import DefusedXmlException
            from defusedxml.ElementTree import DefusedXMLParser
        except ImportError as error:
            raise LabkitError(f"defusedxml, which reads XML safely, is not installed; run: {INSTALL}") from error
        lines: dict[Element, int] = {}
        texts: list[tuple[int, str]] = []

        class Numbered(TreeBuilder):
            def start(self, tag: Any, attributes: Any, /) -> Element:
                element = super().start(tag, attributes)
                lines[element] = parser.parser.CurrentLineNumber
                return element

            def data(self, text: str, /) -> None:
                if text.strip():
                    texts.append((parser.parser.CurrentLineNumber, text.strip()))

        parser = DefusedXMLParser(target=Numbered(), forbid_dtd=True)
        parser.parser.buffer_text = False  # so that text is reported with its own line
        try:
            parser.feed(path.read_bytes())
            return cls(path, parser.close(), lines, texts)
        except ParseError as error:
            line, column = error.position
            text = path.read_text(errors="replace").splitlines()
            shown = text[line - 1].strip() if line <= len(text) else "the end of the file"
            raise LabkitError(
                f"{path}, line {line}, column {column + 1}: not well-formed XML ({error.msg}): {shown}"
            ) from error
        except DefusedXmlException as error:
            raise LabkitError(
                f"{path}: has a document type or entities, which a parameter file does not need: {error}"
            ) from error
        except (LookupError, ValueError) as error:
            raise LabkitError(f"{path}: its encoding cannot be read ({error}); store the file as UTF-8") from error
        except OSError as error:
            raise LabkitError(
                f"{path}: cannot be read ({error.strerror}); expected a parameter file of MLMOD"
            ) from error

    def at(self, element: Element) -> str:
        """File and line, for errors."""
        return f"{self.path}, line {self.lines[element]}"

    def check(self, element: Element, *attributes: str) -> None:
        """Raise LabkitError for an unknown attribute."""
        for name in element.attrib:
            if name not in attributes:
                raise LabkitError(
                    f"{self.at(element)}: <{element.tag}> has the attribute {name!r}{suggest(name, attributes)}; "
                    f"expected {' and '.join(attributes) or 'none'}"
                )
