"""Rows of the store: labels and structures as bytes with a sha256, and calculations."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from safetensors import SafetensorError
from safetensors.numpy import load, save

from labkit.oracles.label import Label
from labkit.oracles.settings import canonical
from labkit.oracles.structure import PER_ATOM, STATES, bare, structure_hash

if TYPE_CHECKING:
    from labkit.oracles.oracle import Oracle


def label_key(structure: str, oracle: str) -> str:
    """hash(structure, oracle's settings), the key of a label."""
    return hashlib.sha256(f"{structure} {oracle}".encode()).hexdigest()


def write_label(connection: sqlite3.Connection, structure: str, atoms: Atoms, oracle: Oracle, label: Label) -> None:
    """Add a label, in the caller's transaction; an existing one is kept, since it may have been used."""
    key, data = label_key(structure, oracle.hash), save({k: np.asarray(v, order="C") for k, v in label.values.items()})
    row = (key, structure, oracle.hash, data, _digest(key, label.program, data), label.program)
    connection.execute("INSERT OR REPLACE INTO structures VALUES (?, ?)", (structure, structure_bytes(atoms)))
    settings = (oracle.hash, oracle.kind, oracle.name, canonical(oracle.settings))
    connection.execute("INSERT OR IGNORE INTO oracles VALUES (?, ?, ?, ?)", settings)
    connection.execute("INSERT OR IGNORE INTO labels VALUES (?, ?, ?, ?, ?, ?)", row)


def read_label(key: str, data: bytes, sha256: str, program: str) -> Label | None:
    """The label, or None if its bytes are not those that were stored under this key."""
    known = isinstance(data, bytes) and _digest(key, program, data) == sha256
    return Label(load(data), program) if known else None


def structure_bytes(atoms: Atoms) -> bytes:
    """What structure_hash covers, with all digits."""
    atoms = bare(atoms)
    arrays = {
        "numbers": atoms.numbers.astype("<i8"),
        "positions": atoms.positions,
        "cell": atoms.cell.array,
        "pbc": atoms.pbc.astype("<i8"),
        **{key: atoms.arrays[key] for key in PER_ATOM if key in atoms.arrays},
        **{key: np.array(atoms.info[key], dtype="<i8") for key in STATES if key in atoms.info},
    }
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    return save(plain | {"sha256": _sum(plain)})


def read_structure(structure: str, data: bytes) -> Atoms | None:
    """The structure, or None if the bytes are not those of one with this hash."""
    try:
        found = load(data)
        if "sha256" in found and not np.array_equal(found.pop("sha256"), _sum(found)):
            return None  # digits that the hash rounds away; structures of earlier versions have no sum
        atoms = Atoms(found["numbers"], found["positions"], cell=found["cell"], pbc=found["pbc"].astype(bool))
        for key in PER_ATOM:
            if key in found:
                atoms.set_array(key, found[key])
        atoms.info = {key: int(found[key]) for key in STATES if key in found}
        return atoms if structure_hash(atoms) == structure else None
    except (SafetensorError, KeyError, ValueError, TypeError):
        return None


def write_calculation(
    connection: sqlite3.Connection,
    structure: str,
    oracle: str,
    outcome: str,
    seconds: float,
    cores: int,
    started: float,
    host: str,
    program: str = "",
    message: str = "",
) -> None:
    """Add a calculation, in the caller's transaction."""
    row = (structure, oracle, outcome, seconds, cores, started, host, program, message)
    connection.execute("INSERT INTO calculations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _sum(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """sha256 of arrays, as 32 bytes."""
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        found.update(f"{name} {array.dtype} {array.shape}\n".encode() + array.tobytes())
    return np.frombuffer(found.digest(), np.uint8)


def _digest(key: str, program: str, data: bytes) -> str:
    return hashlib.sha256(f"{key}\n{program}\n".encode() + data).hexdigest()
