"""TorchMD's YAML force field: its sections, checked, and the lookup of parameters by atom types."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError, suggest
from labkit.forcefield.torchmd.parameter_files import ParameterFile, read_parameters
from labkit.forcefield.torchmd.yaml_file import read_yaml

# section: (atoms in a key, required parameters, optional parameters)
SECTIONS: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {
    "bonds": (2, ("k0", "req"), ()),
    "angles": (3, ("k0", "theta0"), ()),
    "dihedrals": (4, ("terms",), ("scnb", "scee")),
    "impropers": (4, ("phi_k", "phase", "per"), ()),
    "lj": (1, ("sigma", "epsilon"), ("sigma14", "epsilon14")),
    "electrostatics": (1, ("charge",), ()),
    "masses": (1, (), ()),
}
TORSION = ("phi_k", "phase", "per")
ANY = "X"
OTHERS = (".prm", ".par", ".frcmod")  # files of other programs


class TorchmdFile:
    """The sections of one file. Keys are types in parentheses, as in (OT, HT); X stands for any type.

    Parameters of CHARMM (.prm, .par) and AMBER (.frcmod) have the same sections; `omitted` names what has none.

    Raises LabkitError, naming file, section and key, for what is unknown, missing or not a number.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.parameters: ParameterFile | None = None
        if self.path.suffix.lower() in OTHERS:
            self.parameters = read_parameters(self.path)
            self.types, self.sections = set(), self.parameters.sections
            return
        content = self._load()
        self.types = {self._type(t, "atomtypes") for t in content.pop("atomtypes", ())}
        self.sections: dict[str, dict[tuple[str, ...], Any]] = {}
        for name, entries in content.items():
            if name not in SECTIONS:
                known = ["atomtypes", *SECTIONS]
                raise LabkitError(f"{path}: unknown section {name!r}{suggest(str(name), known)}; known: {known}")
            if not isinstance(entries, dict):
                raise LabkitError(f"{path}: {name} holds {entries!r}, expected entries by atom types")
            self.sections[name] = {self._key(name, key): self._entry(name, key, e) for key, e in entries.items()}

    def get(self, section: str, types: Sequence[str], atoms: Sequence[int]) -> Any:
        """The entry for these types; the one with the fewest X, in either direction (impropers: around the third).

        Raises LabkitError, naming the types and the atoms, if there is none.
        """
        entries = self.sections.get(section, {})
        for key in _variants(section, tuple(types)):
            if key in entries:
                return entries[key]
        named = f"({', '.join(types)})" if len(types) > 1 else types[0]
        where = f"atoms {', '.join(map(str, atoms))}" if len(atoms) > 1 else f"atom {atoms[0]}"
        raise LabkitError(
            f"{self.path}: no {section} parameters for atom types {named} ({where}); add {named} to {section!r}, "
            "with X for any type, or leave that term out"
        )

    def omitted(self, types: Sequence[str]) -> str:
        """What the file holds for atoms of these types that TorchMD leaves out, in words; "" for nothing."""
        return "" if self.parameters is None else self.parameters.omitted({*types, ANY})

    def number(self, value: Any, section: str, key: Any) -> float:
        """A finite number, also one that YAML reads as text, such as 1e-3."""
        try:
            number = float(value) if not isinstance(value, bool) else math.nan
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise LabkitError(f"{self.path}: {section}, {key}: {value!r} is not a finite number")
        return number

    def _load(self) -> dict[str, Any]:
        content = read_yaml(self.path)
        if not isinstance(content, dict):
            raise LabkitError(f"{self.path}: expected sections, such as bonds, lj, masses; found {content!r:.60}")
        return content

    def _type(self, name: Any, section: str) -> str:
        if isinstance(name, bool) or name is None:
            raise LabkitError(f"{self.path}: {section}: YAML reads an atom type as {name!r}; write it in quotes")
        return str(name).strip()

    def _key(self, section: str, key: Any) -> tuple[str, ...]:
        count = SECTIONS[section][0]
        text = self._type(key, section)
        types = tuple(part.strip() for part in text.strip("()").split(",")) if count > 1 else (text,)
        if len(types) != count:
            raise LabkitError(f"{self.path}: {section}: key {text!r} has {len(types)} atom types, expected {count}")
        unknown = [t for t in types if t != ANY and self.types and t not in self.types]
        if unknown:
            hint = suggest(unknown[0], self.types)
            raise LabkitError(f"{self.path}: {section}: {unknown[0]!r} in {text!r} is not among the atomtypes{hint}")
        return types

    def _entry(self, section: str, key: Any, entry: Any) -> Any:
        if section == "masses":
            return self.number(entry, section, key)
        _, needed, allowed = SECTIONS[section]
        values = self._fields(entry, needed, allowed, section, key)
        if "terms" in values:
            values["terms"] = [
                {name: self.number(v, section, key) for name, v in self._fields(t, TORSION, (), section, key).items()}
                for t in values["terms"]
            ]
        return {name: v if name == "terms" else self.number(v, section, key) for name, v in values.items()}

    def _fields(self, entry: Any, needed: Sequence[str], allowed: Sequence[str], section: str, key: Any) -> dict:
        if not isinstance(entry, dict):
            raise LabkitError(f"{self.path}: {section}, {key}: found {entry!r}, expected {', '.join(needed)}")
        for name in entry:
            if name not in (*needed, *allowed):
                hint = suggest(str(name), [*needed, *allowed])
                raise LabkitError(f"{self.path}: {section}, {key}: unknown parameter {name!r}{hint}")
        for name in needed:
            if name not in entry:
                raise LabkitError(f"{self.path}: {section}, {key}: {name} is missing")
        return dict(entry)


def _variants(section: str, types: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Equal keys, those without X first."""
    if section == "impropers":
        orders = [(a, b, types[2], c) for a, b, c in itertools.permutations((types[0], types[1], types[3]))]
    else:
        orders = [types, types[::-1]]
    masks = sorted(itertools.product((False, True), repeat=len(types)), key=sum)
    for count in range(len(types) + 1):
        for order in orders:
            for mask in masks:
                if sum(mask) == count:
                    yield tuple(ANY if hidden else t for t, hidden in zip(order, mask, strict=True))
