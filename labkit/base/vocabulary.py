"""Vocabulary: the names of types of atoms and beads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from ase.data import chemical_symbols

from labkit.errors import LabkitError, suggest

SHOWN = 12  # names in a message


@dataclass(frozen=True)
class Vocabulary:
    """Names of types in a fixed order: type k is names[k]. Two vocabularies with the same names are equal.

    Raises LabkitError for a name that is repeated, is empty, has spaces, or is "*", which stands for any type.

    >>> beads = Vocabulary(("CA", "CB:TYR"))
    >>> beads.index_of("CB:TYR")
    1
    >>> beads.index_of("CB:TYT")
    Traceback (most recent call last):
    labkit.errors.LabkitError: type 'CB:TYT' is unknown; did you mean 'CB:TYR'?; known: CA, CB:TYR
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        for name in self.names:
            if not isinstance(name, str) or name.split() != [name] or name == "*":
                raise LabkitError(f"type {name!r}: expected a name without spaces, other than '*'")
        if len(self.places) < len(self.names):
            twice = next(name for k, name in enumerate(self.names) if self.places[name] != k)
            raise LabkitError(f"type {twice!r} appears twice in a vocabulary; name each type once")

    @cached_property
    def places(self) -> dict[str, int]:
        """The number of each name."""
        return {name: k for k, name in enumerate(self.names)}

    def index_of(self, name: str) -> int:
        """The number of a name. Raises LabkitError, with the nearest name, if it is not there."""
        if name not in self.places:
            raise LabkitError(f"type {name!r} is unknown{suggest(name, self.names)}; known: {self}")
        return self.places[name]

    @classmethod
    def join(cls, parts: Sequence[Vocabulary]) -> Vocabulary:
        """The names of all parts, in the order in which they first occur.

        >>> print(Vocabulary.join([Vocabulary(("B", "A")), Vocabulary(("A", "C"))]))
        B, A, C
        """
        return parts[0] if len(set(parts)) == 1 else cls(tuple(dict.fromkeys(n for part in parts for n in part)))

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def __str__(self) -> str:
        return ", ".join(self.names[:SHOWN]) + (", ..." if len(self) > SHOWN else "")


#: the elements, whose numbers are atomic numbers; 0 is ASE's "X", which is not an element
ELEMENTS = Vocabulary(tuple(chemical_symbols))
