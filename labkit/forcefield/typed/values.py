"""From entries by types to columns of parameters, and to the rows of a table that atoms need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from labkit.base import System
from labkit.config import config
from labkit.errors import LabkitError, suggest
from labkit.forcefield.typed.table import TypedTable, Types, show

Parameters = Mapping[str, Any]


def number_rows(table: TypedTable, keys: Sequence[Types]) -> tuple[list[Types], list[Parameters]]:
    """Replace parameters in the table by row numbers; return the types and the parameters of each row."""
    types, parts = [], []
    for key, (place, entry) in zip(keys, list(table.entries.items()), strict=True):
        some = [] if entry is None else [entry] if isinstance(entry, Mapping) else list(entry)
        table.entries[place] = tuple(range(len(parts), len(parts) + len(some)))
        types += [key] * len(some)
        parts += some
    return types, parts


def column(
    name: str, known: Sequence[str], parameter: str, types: Sequence[Types], parts: Sequence[Parameters]
) -> Tensor:
    """One of the `known` parameters, for each row. Raises LabkitError if one is unknown, missing or not finite."""
    for key, part in zip(types, parts, strict=True):
        wrong = next((p for p in part if p not in known), None)
        if wrong is not None:
            raise LabkitError(f"{name}: {show(key)}: unknown parameter {wrong!r}{suggest(wrong, known)}")
        if parameter not in part:
            raise LabkitError(f"{name}: {show(key)}: {parameter} is missing; it takes {', '.join(known)}")
    try:
        rows = [torch.as_tensor(part[parameter], dtype=config().dtype).detach() for part in parts]
        values = torch.stack(rows) if rows else torch.zeros(0, dtype=config().dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        raise LabkitError(f"{name}: {parameter} is not a number, or an array of one shape: {error}") from error
    for key, row in zip(types, rows, strict=True):
        if not bool(torch.isfinite(row).all()):
            raise LabkitError(f"{name}: {show(key)}: {parameter} is not finite")
    return values


def find_rows(
    table: TypedTable, system: System, kinds: Tensor, atoms: Callable[[int], Tensor]
) -> list[tuple[int, ...]]:
    """Rows of the table for each row of types (k, w); `atoms` tells where such a row occurs, for messages."""
    names, found = system.vocabulary.names, []
    for k, row in enumerate(kinds.tolist()):
        types = tuple(names[t] for t in row)
        try:
            found.append(table.find(types))
        except LabkitError:
            here = atoms(k).tolist()
            frame = int(system.index[here[0]])
            numbers = ", ".join(str(a - system.offsets[frame]) for a in here)
            table.find(types, f", frame {frame}, atom{'s' * (len(here) > 1)} {numbers}")
            raise
    return found
