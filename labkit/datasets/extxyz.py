"""Extended XYZ, read frame by frame, so that an error can name its frame and line.

The format: https://github.com/libAtoms/extxyz. The comment line is interpreted as by ASE.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols

from labkit.datasets.comment import parsed, repeated_key
from labkit.datasets.labels import DatasetWarning
from labkit.datasets.streams import open_text
from labkit.errors import LabkitError, suggest

PLAIN = "species:S:1:pos:R:3"
STANDARD = {"species": "symbols", "pos": "positions", "Z": "numbers", "charge": "initial_charges"}
DTYPES = {"R": float, "I": int, "S": str, "L": bool}
BOOLS = {"T": True, "F": False, "True": True, "False": False}


@dataclass(frozen=True)
class Chunk:
    """The text of one frame: `number` counts from 0, `line` is that of its first line, counted from 1."""

    source: str
    number: int
    line: int
    lines: list[str]

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def error(self, message: str, row: int | None = None) -> LabkitError:
        """A LabkitError at this frame; `row` is an atom (from 0), -1 the comment line."""
        line = self.line if row is None else self.line + 2 + row
        atom = "" if row is None or row < 0 else f", atom {row}"
        return LabkitError(f"{self.source}: frame {self.number}{atom} (line {line}): {message}")


class CutFrame(LabkitError):
    """The file ends inside a frame."""


def chunks(path: Path) -> Iterator[Chunk]:
    """Yield the frames of a file as text; raise CutFrame if the last one is incomplete."""
    with open_text(path) as file:
        yield from _chunks(file, str(path))


def _chunks(file: TextIO, source: str) -> Iterator[Chunk]:
    number, line = 0, 1
    while True:
        first = file.readline()
        if not first:
            return
        if not first.strip():
            line += 1
            continue
        count = first.strip()
        if not count.isdecimal() or len(count) > 12 or int(count) == 0:
            raise LabkitError(
                f"{source}: frame {number} (line {line}): expected the number of atoms, found {count[:40]!r}; "
                "the frame before may have more or fewer atoms than it says"
            )
        expected = int(count)
        lines = [first]
        while len(lines) < expected + 2 and (following := file.readline()):
            lines.append(following)
        if len(lines) < expected + 2 or _cut_line(lines):
            raise CutFrame(
                f"{source}: the file ends inside frame {number} (which begins on line {line}), on line "
                f"{line + len(lines) - 1}; complete frames before it: {number}; copy the file again, "
                "or read these with load(..., keep_whole=True)"
            )
        if not lines[-1].endswith("\n"):
            warnings.warn(
                f"{source}: frame {number}: the last line has no end, so its last number may be cut off; compare it "
                f"with the original: {lines[-1].split()[-1]}",
                DatasetWarning,
                stacklevel=2,
            )
        yield Chunk(source, number, line, lines)
        number, line = number + 1, line + len(lines)


def _cut_line(lines: list[str]) -> bool:
    """True if the file's last line has no end and fewer columns than the one before."""
    return not lines[-1].endswith("\n") and len(lines) > 3 and len(lines[-1].split()) < len(lines[-2].split())


def parse(chunk: Chunk, no_stress: bool = False) -> Atoms:
    """Make Atoms of one frame; all keys stay in `info` and `arrays`, none is treated as a label.

    With `no_stress`, stresses and virials are not used and need not be readable.
    """
    info = _comment(chunk, no_stress)
    arrays = _columns(chunk, info.pop("Properties", PLAIN), len(chunk.lines) - 2)
    if "positions" not in arrays or not {"symbols", "numbers"} & arrays.keys():
        raise chunk.error("Properties must hold species:S:1 (or Z:I:1) and pos:R:3", -1)
    numbers = _numbers(chunk, arrays)
    lattice = info.pop("Lattice", None)
    if lattice is not None and "pbc" not in info and not lattice.any():
        lattice = None  # nine zeros are how some programs write an open system
    pbc = np.atleast_1d(info.pop("pbc", lattice is not None))
    if pbc.shape not in ((1,), (3,)) or any(x not in (True, False) for x in pbc.tolist()):
        raise chunk.error(f"pbc is {pbc.tolist()}, expected three of T and F", -1)
    cell = None if lattice is None else lattice.T
    atoms = Atoms(numbers, arrays.pop("positions"), cell=cell, pbc=pbc.astype(bool) if len(pbc) == 3 else bool(pbc[0]))
    for name, values in arrays.items():
        if name not in ("numbers", "symbols"):
            atoms.new_array(name, values)
    atoms.info = info
    return atoms


def _comment(chunk: Chunk, no_stress: bool) -> dict[str, Any]:
    line = chunk.lines[1].strip()
    if "=" not in line:  # plain XYZ: any text
        return {"comment": line} if line else {}
    try:
        found = parsed(line, no_stress)
        twice = repeated_key(line)
    except ValueError as error:  # also json.JSONDecodeError
        raise chunk.error(f"the comment line could not be understood: {error}", -1) from error
    if twice is not None:
        key, one, other = twice
        raise chunk.error(f"the key {key!r} appears twice, as {one} and {other}; remove one of them", -1)
    return {key: x.item() if isinstance(x, np.generic) else x for key, x in found.items()}


def _columns(chunk: Chunk, properties: Any, n: int) -> dict[str, np.ndarray]:
    fields = str(properties).split(":")
    try:
        layout = [(a, DTYPES[b], int(c)) for a, b, c in zip(fields[::3], fields[1::3], fields[2::3], strict=True)]
    except (KeyError, ValueError) as error:
        raise chunk.error(
            f"Properties={properties} could not be understood, expected name:type:columns with the type one of "
            "R, I, S, L, as in species:S:1:pos:R:3:forces:R:3",
            -1,
        ) from error
    width = sum(columns for _, _, columns in layout)
    rows = [line.split() for line in chunk.lines[2:]]
    for i, row in enumerate(rows):
        if len(row) != width:
            raise chunk.error(f"expected {width} columns (Properties={properties}), found {len(row)}", i)
    arrays, start = {}, 0
    for name, kind, columns in layout:
        text = [row[start] if columns == 1 else row[start : start + columns] for row in rows]
        array, key = _convert(chunk, name, kind, text), STANDARD.get(name, name)
        if key in arrays:
            _check_repeated(chunk, name, arrays[key], array)
        arrays[key] = array
        start += columns
    return arrays


def _check_repeated(chunk: Chunk, name: str, one: np.ndarray, other: np.ndarray) -> None:
    """Two columns of one name may only hold the same values."""
    if one.shape != other.shape or one.dtype != other.dtype:
        raise chunk.error(f"Properties names the column {name!r} twice, with different types; remove one of them", -1)
    differ = (one != other).reshape(len(one), -1).any(1)
    if differ.any():
        i = int(np.argmax(differ))
        raise chunk.error(
            f"Properties names the column {name!r} twice, with different values, here {one[i]} and {other[i]}; "
            "remove one of them or rename it",
            i,
        )


def _convert(chunk: Chunk, name: str, kind: type, text: list[Any]) -> np.ndarray:
    try:
        if kind is bool:
            return np.vectorize(BOOLS.__getitem__, otypes=[bool])(np.array(text))
        return np.array(text, dtype=kind)
    except (ValueError, KeyError, OverflowError):
        for i, value in enumerate(text):
            for word in [value] if isinstance(value, str) else value:
                try:
                    BOOLS[word] if kind is bool else kind(word)
                except (ValueError, KeyError):
                    raise chunk.error(f"{name}: {word!r} is not {kind.__name__}", i) from None
        raise


def _numbers(chunk: Chunk, arrays: dict[str, np.ndarray]) -> np.ndarray:
    if "numbers" in arrays:
        numbers = arrays["numbers"]
        _check_symbols(chunk, numbers, arrays.get("symbols", ()))
    else:
        symbols = [str(s).capitalize() for s in arrays["symbols"]]
        for i, symbol in enumerate(symbols):
            if symbol not in atomic_numbers:
                raise chunk.error(f"unknown element {symbol!r}{suggest(symbol, chemical_symbols[1:])}", i)
        numbers = np.array([atomic_numbers[s] for s in symbols])
    beads = {"types", "masses"} <= arrays.keys()
    known = (numbers >= (0 if beads else 1)) & (numbers < len(chemical_symbols))
    if not known.all():
        i = int(np.argmin(known))
        if numbers[i] == 0:
            raise chunk.error("unknown element X; a bead needs its name and mass, in types:S:1 and masses:R:1", i)
        raise chunk.error(f"unknown element with atomic number {numbers[i]}, expected 1 to 118", i)
    return numbers


def _check_symbols(chunk: Chunk, numbers: np.ndarray, symbols: Iterable[str]) -> None:
    """Symbols beside atomic numbers may be names of any kind, but not those of other elements."""
    for i, (number, symbol) in enumerate(zip(numbers, symbols)):
        named = atomic_numbers.get(str(symbol).capitalize(), 0)
        if named not in (0, number):
            said = f"species is {str(symbol)!r}, but Z is {number}"
            raise chunk.error(f"{said}; correct one of them, or remove its column", i)
