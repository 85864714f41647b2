"""Extended XYZ with all digits, in the dialect that ASE reads."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from ase import Atoms

from labkit.datasets.streams import write_text
from labkit.errors import LabkitError

RESERVED = {"Lattice", "Properties", "pbc", "energy", "forces", "stress", "polarizability", "born_charges", "uid"}
KINDS = {"f": ("R", repr), "i": ("I", str), "u": ("I", str), "b": ("L", lambda x: "T" if x else "F"), "U": ("S", str)}
WORD = re.compile(r"[A-Za-z][\w.+-]*")
NOT_TEXT = re.compile(r"(?i)t|f|true|false|nan|inf(inity)?")

Frame = tuple[Atoms, dict[str, np.ndarray], dict[str, Any]]


def write_frames(path: str | os.PathLike[str], frames: Iterable[Frame]) -> None:
    """Write (structure, labels, info) one after another; the file appears complete or not at all."""
    with write_text(path) as file:
        for i, (atoms, labels, info) in enumerate(frames):
            try:
                file.write(frame_text(atoms, labels, info))
            except LabkitError as error:
                raise LabkitError(f"{path}: frame {i} cannot be written, so nothing was: {error}") from error


def frame_text(atoms: Atoms, labels: dict[str, np.ndarray], info: dict[str, Any]) -> str:
    """One frame as text: count, comment line, one line per atom."""
    columns: dict[str, np.ndarray] = {"species": np.array(atoms.get_chemical_symbols()), "pos": atoms.positions}
    for name in ("forces", "born_charges"):
        if name in labels:
            columns[name] = labels[name].reshape(len(atoms), -1)
    for name, array in atoms.arrays.items():
        if name not in ("numbers", "positions"):
            columns[f"info_{name}" if name in RESERVED or name in columns else name] = array
    properties, body = _body(columns, len(atoms))
    comment = [f'Properties={properties} pbc="{" ".join("TF"[not p] for p in atoms.pbc)}"']
    if atoms.cell.rank:
        comment.insert(0, f'Lattice="{_numbers(atoms.cell.array)}"')
    if "energy" in labels:
        comment.append(f"energy={float(labels['energy'])!r}")
    if "stress" in labels:  # readers of extended XYZ expect columns first here
        comment.append(f'stress="{_numbers(labels["stress"].T)}"')
    if "polarizability" in labels:
        comment.append(f'polarizability="{_numbers(labels["polarizability"])}"')
    for key, item in info.items():
        comment.append(f"{_key(f'info_{key}' if key in RESERVED else str(key))}={_value(key, item)}")
    return f"{len(atoms)}\n{' '.join(comment)}\n{body}"


def _body(columns: dict[str, np.ndarray], n: int) -> tuple[str, str]:
    layout, texts = [], []
    for name, array in columns.items():
        table = np.asarray(array).reshape(n, -1)
        if table.dtype.kind not in KINDS or ":" in name or not WORD.fullmatch(name):
            raise LabkitError(f"the array {name!r} of {table.dtype} does not fit in extended XYZ; remove or rename it")
        kind, show = KINDS[table.dtype.kind]
        rows = [[show(x) for x in row] for row in table.tolist()]
        if any(len(x.split()) != 1 for row in rows for x in row):
            raise LabkitError(f"the array {name!r} holds text that is empty or has spaces, which columns cannot hold")
        layout.append(f"{name}:{kind}:{table.shape[1]}")
        texts.append([" ".join(row) for row in rows])
    return ":".join(layout), "".join(" ".join(parts) + "\n" for parts in zip(*texts))


def _numbers(array: np.ndarray) -> str:
    return " ".join(repr(x) for x in np.ravel(array).tolist())


def _key(key: str) -> str:
    if not key.strip() or "\n" in key or "\r" in key:
        raise LabkitError(f"info key {key!r} cannot be written, expected a name on one line")
    return key if WORD.fullmatch(key) else _quoted(key)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _value(key: str, item: Any) -> str:
    if isinstance(item, str):
        if WORD.fullmatch(item) and not NOT_TEXT.fullmatch(item):
            return item
        return _quoted("_JSON " + json.dumps(item))
    array = np.asarray(item) if not isinstance(item, dict) else None
    if array is not None and array.ndim <= 1 and array.size and array.dtype.kind in "fib":
        show = {"f": repr, "i": str, "b": lambda x: "T" if x else "F"}[array.dtype.kind]
        if array.ndim == 0:
            return show(array.item())
        if len(array) > 1 and array.dtype.kind != "b":
            return f'"{" ".join(show(x) for x in array.tolist())}"'
    try:
        return _quoted("_JSON " + json.dumps(item, default=lambda x: x.tolist()))
    except (TypeError, AttributeError) as error:
        kind = type(item).__name__
        raise LabkitError(f"info[{key!r}] is a {kind}, expected numbers, text or lists of them") from error
