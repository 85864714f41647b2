"""From frames with keys to structures with labels: every frame is checked, nothing is dropped silently."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms

from labkit.base.system import check_masses
from labkit.datasets.labels import LABELS, DatasetWarning, GuessedKeys, Key, choose, symmetrised, value, values
from labkit.datasets.listed import listed
from labkit.datasets.placeholders import blanked, placeholders, said
from labkit.errors import LabkitError
from labkit.notes import note

PER_ATOM = {"charges", "magmoms", "energies"}  # results of ASE calculators that belong to atoms


class Collected(NamedTuple):
    """Bare structures, their labels (NaN = missing) and other keys.

    chosen    which key held which label
    missing   in how many frames no key held it
    notes     sentences about values that were not taken as they were
    """

    atoms: list[Atoms]
    labels: dict[str, np.ndarray]
    info: list[dict[str, Any]]
    chosen: dict[str, str]
    missing: Counter[str]
    notes: list[str]


def collect(
    frames: list[Atoms], requested: dict[str, Key], source: str, *, keep_placeholders: bool = False
) -> Collected:
    """Split frames into structures, label arrays and info; raise LabkitError for invalid data.

    Values that are not finite, and placeholders unless they are to be kept, become missing labels.
    """
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
    absent: dict[str, list[bool]] = {label.name: [] for label in LABELS}
    for i, (atoms, found) in enumerate(zip(frames, carried)):
        where = f"{source}: frame {i}"
        check_structure(atoms, where)
        for label in LABELS:
            key = chosen.get(label.name)
            absent[label.name].append(key is None or found.get(key) is None)
            if not absent[label.name][-1]:
                labels[label.name].append(value(label, key, found[key], atoms, where))
            else:
                labels[label.name].append(np.full(label.shape(len(atoms)), np.nan))
                missing[label.name] += 1
        structure, rest = _bare(atoms, found, set(chosen.values()))
        structures.append(structure)
        info.append(rest)
    joined = {x.name: np.concatenate(v) if x.per_atom else np.stack(v) for x, v in zip(LABELS, labels.values())}
    offsets = np.concatenate([[0], np.cumsum([len(atoms) for atoms in structures])]).astype(int)
    notes = [*_not_finite(joined, absent, offsets), *symmetrised(joined)]
    if not keep_placeholders:
        found = placeholders(structures, joined, offsets)
        joined |= blanked(joined, found)
        notes += [f"{said(one)}; keep_placeholders=True keeps them" for one in found]
    return Collected(structures, joined, info, chosen, missing, notes)


def _not_finite(labels: dict[str, np.ndarray], absent: dict[str, list[bool]], offsets: np.ndarray) -> list[str]:
    """Say which labels were given but are nan or infinite, whole or in part."""
    notes = []
    for label in LABELS:
        lost = np.isnan(labels[label.name]).reshape(len(labels[label.name]), -1).any(1)
        given = ~np.array(absent[label.name])
        if label.per_atom:
            lost &= np.repeat(given, np.diff(offsets))
            frames = np.unique(np.searchsorted(offsets, np.flatnonzero(lost), side="right") - 1)
        else:
            frames = np.flatnonzero(lost & given)
        if not len(frames):
            continue
        where = listed(frames)
        if label.per_atom:
            first = int(np.flatnonzero(lost)[0] - offsets[frames[0]])
            where = f"{int(lost.sum())} atoms in {where} (the first is atom {first} of frame {frames[0]})"
        notes.append(f"{label.name} of {where}: not finite, taken as missing")
    return notes


def report(collected: Collected, requested: dict[str, Key], source: str) -> None:
    """Warn about keys that were guessed, and about expected labels that some frames lack."""
    guessed = [f"{name} from {key!r}" for name, key in collected.chosen.items() if requested.get(name, name) is None]
    messages = []
    if guessed:
        example = next(iter(collected.chosen))
        note(f"{source}: {', '.join(guessed)} (guessed; give {example}_key=... to choose)", GuessedKeys, stacklevel=3)
    total = len(collected.atoms)
    for name in ("energy", "forces", *collected.chosen):
        count = collected.missing.pop(name, 0)
        rare = name in ("polarizability", "born_charges")  # expensive labels, which few frames are meant to have
        if count and not rare and requested.get(name) is not False:
            messages.append(f"{count} of {total} frames have no {name} (NaN in the dataset)")
    for message in [*messages, *collected.notes]:
        warnings.warn(f"{source}: {message}", DatasetWarning, stacklevel=3)


def check_structure(atoms: Atoms, where: str) -> None:
    """Raise LabkitError for positions that are not finite and for periodic directions without a cell."""
    if atoms.has("masses"):
        check_masses(atoms.get_masses(), where)
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
