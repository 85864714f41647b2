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
from labkit.errors import LabkitError
from labkit.files import atomic_tensors, read_tensors, sealed, whole_content

if TYPE_CHECKING:
    from labkit.base.state import State

_FORMAT = "labkit.state.1"
_UNITS = "eV, Å, fs, u"
_SYSTEM = ("numbers", "masses", "index", "pbc", "types", "bonds")


def write_state(state: State, path: str | os.PathLike[str]) -> None:
    """Write a state with its system; see `State.save`."""
    vocabulary, tensors = packed(state)
    header = {"format": _FORMAT, "units": _UNITS, "vocabulary": vocabulary}
    atomic_tensors(path, tensors, sealed(header, tensors))


def packed(state: State) -> tuple[str, dict[str, Any]]:
    """The vocabulary of a state, and its tensors on the CPU with those of its system; `unpacked` is the inverse."""
    fields = {name: getattr(state, name) for name in (*OF_ATOMS, *OF_SYSTEMS)}
    tensors = {name: value for name, value in fields.items() if value is not None}
    for name in ("aux", "atom_aux"):
        tensors |= {f"{name}.{key}": value for key, value in getattr(state, name).items()}
    system = {name: getattr(state.system, name) for name in _SYSTEM}
    if state.system.vocabulary == ELEMENTS:
        del system["types"]
    tensors |= {f"system.{name}": value for name, value in system.items() if value is not None}
    names = json.dumps(state.system.vocabulary.names)
    return names, {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


def read_state(path: str | os.PathLike[str], device: torch.device | str) -> dict[str, Any]:
    """Fields of the State stored in a file; see `State.load`."""
    header, tensors = read_tensors(Path(path), _FORMAT, "state", device, finite=False)
    with whole_content(Path(path)):
        return unpacked(header["vocabulary"], tensors)


def unpacked(vocabulary: str, tensors: dict[str, Any]) -> dict[str, Any]:
    """Fields of the State that was packed; raises LabkitError for tensors that are not those of a state."""
    names = json.loads(vocabulary)
    if not isinstance(names, list):
        raise LabkitError(f"its vocabulary is {names!r:.60}, expected a list of names")
    fields: dict[str, Any] = {"aux": {}, "atom_aux": {}, "system": {}}
    for name, value in tensors.items():
        scope, _, key = name.partition(".")
        if key:
            fields[scope][key] = value
        else:
            fields[name] = value.cpu() if name in ("step", "seed") else value
    _check(fields, len(names))
    return {**fields, "system": System(**fields["system"], vocabulary=Vocabulary(tuple(names)))}


def _check(fields: dict[str, Any], types: int) -> None:
    """Raise LabkitError unless the tensors are those of a state; numbers that are not finite are a state's own."""
    system = fields["system"]
    n, systems = len(system["numbers"]), len(system["pbc"])
    reals, wholes = (torch.float64, torch.float32), (torch.int64,)
    shapes = {"positions": (n, 3), "velocities": (n, 3), "forces": (n, 3)}
    shapes |= {"cell": (systems, 3, 3), "energy": (systems,), "step": (systems,), "seed": (systems,)}
    own = {"numbers": (n,), "masses": (n,), "index": (n,), "pbc": (systems, 3), "types": (n,)}
    own["bonds"] = (len(system.get("bonds", ())), 2)
    for values, expected in ((fields, shapes), (system, own)):
        for name, shape in expected.items():
            if name not in values:
                continue
            kinds = wholes if name in ("step", "seed", "numbers", "index", "types", "bonds") else reals
            kinds = (torch.bool,) if name == "pbc" else kinds
            if tuple(values[name].shape) != shape or values[name].dtype not in kinds:
                found = f"the shape {tuple(values[name].shape)} and {values[name].dtype}"
                raise LabkitError(f"{name} has {found}, expected {shape} and {' or '.join(map(str, kinds))}")
    index = system["index"]
    if not n or not systems or bool((index.diff() < 0).any()) or int(index[0]) < 0 or int(index[-1]) >= systems:
        raise LabkitError(f"{n} atoms do not belong to its {systems} systems in order")
    for name, end in (("numbers", len(ELEMENTS)), ("types", types), ("bonds", n)):
        values = system.get(name)
        if values is not None and bool(((values < 0) | (values >= end)).any()):
            raise LabkitError(f"{name} holds {int(values.min())} to {int(values.max())}, expected 0 to {end - 1}")
    if not bool((system["masses"] >= 0).all()):
        raise LabkitError("masses are negative or not numbers")
