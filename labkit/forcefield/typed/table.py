"""TypedTable: entries by atom types, read in either direction, with "*" for any type."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from labkit.errors import LabkitError, suggest

ANY = "*"
Types = tuple[str, ...]


class TypedTable:
    """Which entry belongs to some types: the one with the fewest "*" among those that fit, forwards or backwards.

    entries  {types: anything}, all of one length; a name alone stands for (name,)

    Raises LabkitError for types of different lengths, and for two entries of the same types.

    >>> table = TypedTable("bonds", {("A", "B"): 1, ("*", "*"): 2})
    >>> table.find(("B", "A")), table.find(("B", "B"))
    (1, 2)
    """

    def __init__(self, name: str, entries: Mapping[Types | str, Any]) -> None:
        self.name = name
        if not entries:
            raise LabkitError(f"{name}: no entries; give parameters by types, as in {{('CA', 'CA'): {{...}}}}")
        self.entries: dict[Types, Any] = {}
        for key, entry in entries.items():
            types = (key,) if isinstance(key, str) else key
            if not isinstance(types, tuple) or not types or not all(isinstance(t, str) for t in types):
                raise LabkitError(f"{name}: {key!r} is not a tuple of type names")
            if _canonical(types) in self.entries:
                raise LabkitError(f"{name}: two entries for {show(types)}, which is read in either direction")
            self.entries[_canonical(types)] = entry
        self.width = len(next(iter(self.entries)))
        for types in self.entries:
            if len(types) != self.width:
                raise LabkitError(f"{name}: {show(types)} has {len(types)} types, other entries have {self.width}")

    def find(self, types: Types, where: str = "") -> Any:
        """The entry for these types. Raises LabkitError, naming them, if none fits or two fit equally well."""
        masks = sorted(itertools.product((False, True), repeat=len(types)), key=sum)
        for _, some in itertools.groupby(masks, key=sum):
            keys = {_canonical(tuple(ANY if hidden else t for t, hidden in zip(types, m, strict=True))) for m in some}
            fitting = sorted(key for key in keys if key in self.entries)
            if len(fitting) > 1:
                raise LabkitError(
                    f"{self.name}{where}: {show(fitting[0])} and {show(fitting[1])} fit {show(types)} equally well; "
                    f"add an entry for {show(types)}"
                )
            if fitting:
                return self.entries[fitting[0]]
        raise LabkitError(self._lacks(types, where))

    def _lacks(self, types: Types, where: str) -> str:
        known = {t for key in self.entries for t in key} - {ANY}
        strange = next((t for t in types if t not in known), None)
        hint = f"; {strange!r} is in none{suggest(strange, known)}" if strange is not None and known else ""
        return (
            f"{self.name}{where}: no entry for the types {show(types)}{hint}; add one, with '*' for any type, or None "
            "instead of parameters for no term"
        )


def show(types: Iterable[str]) -> str:
    """Types as shown in messages.

    >>> show(("CA", "CB"))
    '(CA, CB)'
    """
    return f"({', '.join(types)})"


def _canonical(types: Types) -> Types:
    return min(types, types[::-1])
