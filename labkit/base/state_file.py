"""States as files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from labkit.base.selection import OF_ATOMS, OF_SYSTEMS
from labkit.base.system import System
from labkit.base.vocabulary import ELEMENTS, Vocabulary
from labkit.files import atomic_tensors, read_tensors, sealed

if TYPE_CHECKING:
    from labkit.base.state import State

_FORMAT = "labkit.state.1"
_UNITS = "eV, Å, fs, u"
_SYSTEM = ("numbers", "masses", "index", "pbc", "types", "bonds")


def write_state(state: State, path: str | os.PathLike[str]) -> None:
    """Write a state with its system; see `State.save`."""
    fields = {name: getattr(state, name) for name in (*OF_ATOMS, *OF_SYSTEMS)}
    tensors = {name: value for name, value in fields.items() if value is not None}
    for name in ("aux", "atom_aux"):
        tensors |= {f"{name}.{key}": value for key, value in getattr(state, name).items()}
    system = {name: getattr(state.system, name) for name in _SYSTEM}
    if state.system.vocabulary == ELEMENTS:
        del system["types"]
    tensors |= {f"system.{name}": value for name, value in system.items() if value is not None}
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    header = {"format": _FORMAT, "units": _UNITS, "vocabulary": json.dumps(state.system.vocabulary.names)}
    atomic_tensors(path, tensors, sealed(header, tensors))


def read_state(path: str | os.PathLike[str], device: torch.device | str) -> dict[str, Any]:
    """Fields of the State stored in a file; see `State.load`."""
    header, tensors = read_tensors(Path(path), _FORMAT, "state", device, finite=False)
    fields: dict[str, Any] = {"aux": {}, "atom_aux": {}, "system": {}}
    for name, value in tensors.items():
        scope, _, key = name.partition(".")
        if key:
            fields[scope][key] = value
        else:
            fields[name] = value.cpu() if name in ("step", "seed") else value
    vocabulary = Vocabulary(tuple(json.loads(header["vocabulary"])))
    return {**fields, "system": System(**fields["system"], vocabulary=vocabulary)}
