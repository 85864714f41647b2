"""From frames with keys to structures with labels: every frame is checked, nothing is dropped silently."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms

from labkit.datasets.labels import LABELS, DatasetWarning, Key, choose, value, values
from labkit.errors import LabkitError

PER_ATOM = {"charges", "magmoms", "energies"}  # results of ASE calculators that belong to atoms


class Collected(NamedTuple):
    """Bare structures, their labels (NaN = missing) and other keys; which key held which label, missing in how many."""

    atoms: list[Atoms]
    labels: dict[str, np.ndarray]
    info: list[dict[str, Any]]
    chosen: dict[str, str]
    missing: Counter[str]


def collect(frames: list[Atoms], requested: dict[str, Key], source: str) -> Collected:
    """Split frames into structures, label arrays and info; raise LabkitError for invalid data."""
    if not frames:
        raise LabkitError(f"{source}: no frames, expected at least one")
    carried = [values(atoms) for atoms in frames]
    counts = Counter(key for found in carried for key in found)
    chosen = choose(counts, carried[0], requested, source)
    if not chosen:
        raise LabkitError(
            f"{source}: none of the {len(frames)} frames has an energy, forces or another label; their keys are "
            f"{', '.join(counts) or '(none)'}: name them, as in energy_key='...'"
        )
    labels: dict[str, list[np.ndarray]] = {label.name: [] for label in LABELS}
    structures, info, missing = [], [], Counter()
    for i, (atoms, found) in enumerate(zip(frames, carried)):
        where = f"{source}: frame {i}"
        check_structure(atoms, where)
        for label in LABELS:
            key = chosen.get(label.name)
            if key is not None and found.get(key) is not None:
                labels[label.name].append(value(label, key, found[key], atoms, where))
            else:
                labels[label.name].append(np.full(label.shape(len(atoms)), np.nan))
                missing[label.name] += 1
        structure, rest = _bare(atoms, found, set(chosen.values()))
        structures.append(structure)
        info.append(rest)
    joined = {x.name: np.concatenate(v) if x.per_atom else np.stack(v) for x, v in zip(LABELS, labels.values())}
    return Collected(structures, joined, info, chosen, missing)


def report(collected: Collected, requested: dict[str, Key], source: str) -> None:
    """Warn about keys that were guessed, and about expected labels that some frames lack."""
    guessed = [f"{name} from {key!r}" for name, key in collected.chosen.items() if requested.get(name, name) is None]
    messages = []
    if guessed:
        example = next((name for name in collected.chosen if name in requested), "energy")
        messages.append(f"{', '.join(guessed)} (guessed; give {example}_key=... to choose)")
    total = len(collected.atoms)
    for name in ("energy", "forces", *collected.chosen):
        count = collected.missing.pop(name, 0)
        rare = name in ("polarizability", "born_charges")  # expensive labels, which few frames are meant to have
        if count and not rare and requested.get(name) is not False:
            messages.append(f"{count} of {total} frames have no {name} (NaN in the dataset)")
    for message in messages:
        warnings.warn(f"{source}: {message}", DatasetWarning, stacklevel=3)


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
            'volume; give its lattice vectors, or write pbc="F F F" for an open system'
        )


def _bare(atoms: Atoms, found: dict[str, Any], used: set[str]) -> tuple[Atoms, dict[str, Any]]:
    structure = atoms.copy()
    structure.calc = None
    for key in used & structure.arrays.keys():
        del structure.arrays[key]
    structure.info = {}
    rest = {key: x for key, x in found.items() if key not in used and key not in atoms.arrays}
    for key in PER_ATOM & rest.keys():
        structure.set_array(key, np.asarray(rest.pop(key)))
    return structure, rest
