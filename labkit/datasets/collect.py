"""From frames with keys to structures with labels: every frame is checked, nothing is dropped silently."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np
from ase import Atoms

from labkit.datasets.labels import LABELS, DatasetWarning, Key, choose, value, values
from labkit.errors import LabkitError

Collected = tuple[list[Atoms], dict[str, np.ndarray], list[dict[str, Any]], dict[str, str]]


def collect(frames: list[Atoms], asked: dict[str, Key], source: str) -> Collected:
    """Split frames into bare structures, label arrays (NaN = missing) and info; also return the keys used."""
    if not frames:
        raise LabkitError(f"{source}: no frames, expected at least one")
    carried = [values(atoms) for atoms in frames]
    counts = Counter(key for found in carried for key in found)
    chosen = choose(counts, carried[0], asked, source)
    if not chosen:
        raise LabkitError(
            f"{source}: none of the {len(frames)} frames has an energy, forces or another label; their keys are "
            f"{', '.join(counts) or '(none)'}: name them, as in energy_key='...'"
        )
    labels: dict[str, list[np.ndarray]] = {label.name: [] for label in LABELS}
    structures, info = [], []
    for i, (atoms, found) in enumerate(zip(frames, carried)):
        where = f"{source}: frame {i}"
        check_structure(atoms, where)
        for label in LABELS:
            key = chosen.get(label.name)
            if key is not None and found.get(key) is not None:
                labels[label.name].append(value(label, key, found[key], atoms, where))
            else:
                labels[label.name].append(np.full(label.shape(len(atoms)), np.nan))
        structure, rest = _bare(atoms, found, set(chosen.values()))
        structures.append(structure)
        info.append(rest)
    arrays = {x.name: np.concatenate(v) if x.per_atom else np.stack(v) for x, v in zip(LABELS, labels.values())}
    return structures, arrays, info, chosen


def report(arrays: dict[str, np.ndarray], chosen: dict[str, str], asked: dict[str, Key], source: str) -> None:
    """Warn once about keys that were guessed and labels that some frames lack."""
    guessed = [f"{name} from {key!r}" for name, key in chosen.items() if asked.get(name) is None]
    if guessed:
        asking = [name for name in chosen if name in asked] or list(asked)
        warnings.warn(
            f"{source}: {', '.join(guessed)} (guessed; give {asking[0]}_key=... to choose)",
            DatasetWarning,
            stacklevel=3,
        )
    for label in LABELS[:3]:
        missing = int(np.isnan(arrays[label.name].reshape(len(arrays[label.name]), -1)).any(1).sum())
        if missing and (label.name != "stress" or "stress" in chosen):
            things = "atoms" if label.per_atom else "frames"
            warnings.warn(
                f"{source}: {missing} of {len(arrays[label.name])} {things} have no {label.name} (NaN in the dataset)",
                DatasetWarning,
                stacklevel=3,
            )


def check_structure(atoms: Atoms, where: str) -> None:
    """Raise LabkitError for positions that are not finite and for periodic directions without a cell."""
    bad = ~np.isfinite(atoms.positions).all(1)
    if bad.any():
        i = int(np.argmax(bad))
        raise LabkitError(f"{where}, atom {i}: position {atoms.positions[i]} is not finite")
    if not np.isfinite(atoms.cell.array).all():
        raise LabkitError(f"{where}: the cell {atoms.cell.array.tolist()} is not finite")
    vectors = atoms.cell.array[atoms.pbc]
    if np.linalg.matrix_rank(vectors) < len(vectors):
        raise LabkitError(
            f"{where}: periodic (pbc {atoms.pbc.tolist()}) with the cell {atoms.cell.array.tolist()}, which has no "
            'volume; give its lattice vectors, or say pbc="F F F" for an open system'
        )


def _bare(atoms: Atoms, found: dict[str, Any], used: set[str]) -> tuple[Atoms, dict[str, Any]]:
    structure = atoms.copy()
    structure.calc = None
    for key in used & structure.arrays.keys():
        del structure.arrays[key]
    structure.info = {}
    results = {} if atoms.calc is None else atoms.calc.results
    rest = {k: v for k, v in found.items() if k not in used and k not in atoms.arrays and k != "free_energy"}
    for key in [k for k in results if k in rest]:
        if np.ndim(rest[key]) and len(np.atleast_1d(rest[key])) == len(atoms) and len(atoms) not in (3, 6):
            structure.set_array(key, np.asarray(rest.pop(key)))
    return structure, rest
