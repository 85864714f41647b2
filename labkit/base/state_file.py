"""States as files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from labkit.base.selection import OF_ATOMS, OF_SYSTEMS
from labkit.base.system import System
from labkit.files import atomic_tensors, read_tensors, tensors_digest

if TYPE_CHECKING:
    from labkit.base.state import State

_FORMAT = "labkit.state.1"
_UNITS = "eV, Å, fs, u"
_SYSTEM = ("numbers", "masses", "index", "pbc")


def write_state(state: State, path: str | os.PathLike[str]) -> None:
    """Write a state with its system; see `State.save`."""
    fields = {name: getattr(state, name) for name in (*OF_ATOMS, *OF_SYSTEMS)}
    tensors = {name: value for name, value in fields.items() if value is not None}
    for name in ("aux", "atom_aux"):
        tensors |= {f"{name}.{key}": value for key, value in getattr(state, name).items()}
    tensors |= {f"system.{name}": getattr(state.system, name) for name in _SYSTEM}
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    header = {"format": _FORMAT, "units": _UNITS}
    atomic_tensors(path, tensors, {**header, "digest": tensors_digest(header, tensors)})


def read_state(path: str | os.PathLike[str], device: torch.device | str) -> dict[str, Any]:
    """Fields of the State that a file holds; see `State.load`."""
    _, tensors = read_tensors(Path(path), _FORMAT, "state", device)
    fields: dict[str, Any] = {"aux": {}, "atom_aux": {}, "system": {}}
    for name, value in tensors.items():
        scope, _, key = name.partition(".")
        if key:
            fields[scope][key] = value
        else:
            fields[name] = value.cpu() if name in ("step", "seed") else value
    return {**fields, "system": System(**fields["system"])}
