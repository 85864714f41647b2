"""Energies of compositions: each beside the prediction of the others."""

from __future__ import annotations

import numpy as np
from ase.data import chemical_symbols

from labkit.datasets.audit.finding import Finding
from labkit.datasets.audit.ratio import with_error
from labkit.datasets.dataset import Dataset
from labkit.datasets.listed import listed
from labkit.datasets.pairs import find_pairs, relative_distance

BINDING = 0.15  # eV/atom, error of binding as a sum over elements and neighbours
SURE = 5.0  # standard errors


def energies(dataset: Dataset) -> list[Finding]:
    """Energy offsets of compositions: a sum over elements, and the compositions that deviate from it."""
    known = np.flatnonzero(np.isfinite(dataset.energy))
    groups: dict[str, list[int]] = {}
    for k in known:
        groups.setdefault(dataset.atoms[k].get_chemical_formula(), []).append(int(k))
    if len(groups) < 2:
        return []
    names = list(groups)
    first = [dataset.atoms[groups[g][0]].numbers for g in names]
    counts = np.array([[np.count_nonzero(numbers == z) for z in dataset.species] for numbers in first])
    offsets = np.array([np.median(dataset.energy[groups[g]]) for g in names])
    atoms = counts.sum(1)
    per_atom = {g: f"{e / n:.4f}" for g, e, n in zip(names, offsets, atoms)}
    text = "median energies [eV/atom]: " + ", ".join(f"{g} {e}" for g, e in list(per_atom.items())[:8])
    out = [Finding("note", "energy per composition", text + (" ..." if len(names) > 8 else ""))]
    if len(names) < len(dataset.species) + 4:
        return out
    bonds = np.array([_bonds(dataset, groups[g]) for g in names])
    features = np.column_stack([counts / atoms[:, None], bonds])
    off, error = np.array([_left_out(features, offsets / atoms, k) for k in range(len(names))]).T
    for k in np.flatnonzero(np.abs(off) > SURE * error):
        frames = groups[names[k]]
        text = (
            f"{names[k]} ({listed(frames)}) lies {with_error(off[k], error[k])} eV/atom from the prediction of the "
            f"other compositions, a sum over elements ({', '.join(chemical_symbols[s] for s in dataset.species)}) and "
            "numbers of neighbours"
        )
        remedy = "was it computed with other settings, pseudopotentials or another reference energy?"
        sure = f"{abs(off[k]) / error[k]:.0f} standard errors, each of {len(names)} compositions left out in turn"
        number = float(off[k]), float(error[k])
        out.append(Finding("warning", "energy per composition", text, remedy, sure, tuple(frames), *number))
    return out


def _bonds(dataset: Dataset, frames: list[int]) -> float:
    """Σ_i Z_i^1/2 / n with Z_i neighbours nearer than 1.4 times both covalent radii: binding in the second moment."""
    pairs = find_pairs([dataset.atoms[k] for k in frames[:3]])
    near = np.bincount(pairs.i[relative_distance(pairs) < 1.4], minlength=len(pairs.numbers))
    return float(np.sqrt(near).mean())


def _left_out(features: np.ndarray, values: np.ndarray, k: int) -> tuple[float, float]:
    """The value of one composition minus the prediction of the others, and the error of that.

    The error is (s² + BINDING²)^1/2 (1 + xᵀ(XᵀX)⁻¹x)^1/2 with the scatter s of the others: large far away from them,
    and infinite where they say nothing.
    """
    rest = np.delete(features, k, 0)
    inverse = np.linalg.pinv(rest.T @ rest, rcond=1e-6)
    solved = inverse @ rest.T @ np.delete(values, k)
    free = len(rest) - np.linalg.matrix_rank(rest, 1e-3)
    missed = features[k] - features[k] @ inverse @ rest.T @ rest
    if np.abs(missed).max() > 1e-3 or free < 1:
        return 0.0, np.inf
    scatter = np.sum((np.delete(values, k) - rest @ solved) ** 2) / free
    size = np.sqrt((scatter + BINDING**2) * (1 + features[k] @ inverse @ features[k]))
    return float(values[k] - features[k] @ solved), float(size)
