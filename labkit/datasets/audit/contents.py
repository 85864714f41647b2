"""Findings that need only the labels: what there is, what is missing, what stands out."""

from __future__ import annotations

from collections import Counter

import numpy as np
from ase.data import chemical_symbols

from labkit.base.formula import formula
from labkit.datasets.audit.finding import Finding
from labkit.datasets.audit.survey import Survey
from labkit.datasets.dataset import Dataset
from labkit.datasets.labels import LABELS
from labkit.datasets.listed import listed
from labkit.datasets.placeholders import split_off

RARE = ("polarizability", "born_charges")  # expensive labels, which few frames are meant to have
EXPLAINED = 0.5  # share of a frame's squared forces that the model leaves unexplained, below which they are no outliers
WILD = 12.0  # times the median |F| of an element: a Maxwell distribution reaches 3 in ten thousand atoms


def contents(dataset: Dataset) -> list[Finding]:
    """Counts and ranges."""
    first = {a.get_chemical_formula(): a for a in reversed(dataset.atoms)}
    formulas = Counter(a.get_chemical_formula() for a in dataset.atoms)
    shown = ", ".join(f"{count} × {formula(first[name])}" for name, count in formulas.most_common(6))
    more = f" and {len(formulas) - 6} other compositions" if len(formulas) > 6 else ""
    elements = ", ".join(chemical_symbols[z] for z in dataset.species)
    periodic = Counter("".join("FT"[int(p)] for p in a.pbc) for a in dataset.atoms)
    kinds = {"TTT": "periodic", "FFF": "open"}
    boundary = ", ".join(f"{count} {kinds.get(pbc, f'periodic along {pbc}')}" for pbc, count in periodic.items())
    sizes = _span(dataset.counts, "d")
    text = f"{len(dataset)} frames of {sizes} atoms ({shown}{more}); elements {elements}; {boundary}"
    return [Finding("note", "contents", text), *_ranges(dataset), *missing(dataset)]


def _ranges(dataset: Dataset) -> list[Finding]:
    parts = []
    energy = dataset.energy / dataset.counts
    if np.isfinite(energy).any():
        parts.append(f"energy {_span(energy, '.4f')} eV/atom (standard deviation {np.nanstd(energy):.2g})")
    size = np.linalg.norm(dataset.forces, axis=1)
    if np.isfinite(size).any():
        parts.append(f"|F| up to {np.nanmax(size):.3g} eV/Å (median {np.nanmedian(size):.2g})")
    if np.isfinite(dataset.stress).any():
        parts.append(f"stress components {_span(dataset.stress, '.3g')} eV/Å^3")
    volumes = np.array([a.cell.volume / len(a) for a in dataset.atoms if a.pbc.all()])
    if len(volumes):
        parts.append(f"volume {_span(volumes, '.4g')} Å^3/atom")
    return [Finding("note", "ranges", "; ".join(parts))] if parts else []


def filled_in(dataset: Dataset) -> tuple[Dataset, list[Finding]]:
    """The dataset without its placeholders, and what they are."""
    clean, found = split_off(dataset)
    remedy = "give these frames no such label, or compute it; labkit's fits leave placeholders out"
    out = []
    for one in found:
        rows = np.flatnonzero(one.rows)
        frames = np.unique(np.searchsorted(dataset.offsets, rows, side="right") - 1) if one.label == "forces" else rows
        out.append(Finding("warning", "placeholders", one.text, remedy, frames=tuple(frames.tolist())))
    return clean, out


def missing(dataset: Dataset) -> list[Finding]:
    """Labels that no frame, or only some frames, have."""
    out = []
    for label in LABELS:
        lost = ~np.isfinite(getattr(dataset, label.name)).reshape(len(getattr(dataset, label.name)), -1).all(1)
        if label.per_atom:
            lost = np.add.reduceat(lost, dataset.offsets[:-1]) > 0
        if label.name == "stress":  # open frames have none
            lost &= np.array([a.pbc.all() for a in dataset.atoms])
        frames = np.flatnonzero(lost)
        if len(frames) == len(dataset) and label.name in ("energy", "forces"):
            out.append(Finding("note", "missing labels", f"no frame has {label.name}"))
        elif 0 < len(frames) < len(dataset) and label.name not in RARE:
            out.append(
                Finding(
                    "warning", "missing labels",
                    f"{len(frames)} of {len(dataset)} frames have no {label.name}: {listed(frames)}",
                    "a fit leaves these labels out; check whether their calculations failed or they have another key",
                    frames=tuple(frames.tolist()),
                )
            )  # fmt: skip
    return out


def wild_forces(dataset: Dataset, seen: Survey) -> list[Finding]:
    """Forces far above those of the same element elsewhere, which the model of the other forces does not explain."""
    size = np.linalg.norm(dataset.forces, axis=1)
    numbers = np.concatenate([a.numbers for a in dataset.atoms])
    explained = np.zeros(len(dataset), bool)
    explained[seen.frames] = np.nan_to_num(seen.misfit, nan=1.0) < EXPLAINED
    explained = np.repeat(explained, dataset.counts)
    found = []
    for z in dataset.species:
        mine = np.flatnonzero((numbers == z) & np.isfinite(size))
        if len(mine) >= 20:
            limit = WILD * np.median(size[mine])
            wild = mine[(size[mine] > limit) & ~explained[mine]] if limit > 0 else []
            found += [(size[k] / limit * WILD, k) for k in wild]
    if not found:
        return []
    ratio, worst = max(found)
    frames = np.unique(np.searchsorted(dataset.offsets, [k for _, k in found], side="right") - 1)
    frame = int(np.searchsorted(dataset.offsets, worst, side="right") - 1)
    text = (
        f"{len(found)} atoms in {listed(frames)} have forces above {WILD:g} times the median of their element; the "
        f"largest is {size[worst]:.3g} eV/Å, frame {frame}, atom {worst - dataset.offsets[frame]} "
        f"({chemical_symbols[numbers[worst]]}), {ratio:.0f} times the median"
    )
    remedy = "look at these frames: high-energy structures are welcome, failed calculations are not"
    return [Finding("warning", "outlier forces", text, remedy, frames=tuple(frames.tolist()))]


def _span(values: np.ndarray, form: str) -> str:
    low, high = np.nanmin(values), np.nanmax(values)
    return f"{low:{form}}" if low == high else f"{low:{form}} to {high:{form}}"
