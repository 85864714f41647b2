"""The cheap part of the audit, which `load` and the fits run by themselves: units, shifts, repeated frames."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from labkit.base import NO_PROGRESS
from labkit.datasets.array_structures import ArrayStructures
from labkit.datasets.audit.alignment_findings import alignment_findings
from labkit.datasets.audit.energy_alignment import check
from labkit.datasets.audit.force_alignment import fit
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.audit.survey import survey
from labkit.datasets.audit.unit_findings import units
from labkit.datasets.dataset import Dataset
from labkit.datasets.listed import listed
from labkit.datasets.magnitudes import suspicious
from labkit.datasets.overlap import repeated
from labkit.datasets.pairs import pair_count

FRAMES, FEWEST = 120, 20  # looked at, one after another; with fewer nothing is said of units and shifts
PAIRS = 2.5e5  # of atoms in them: half a second
COMPARED = 10_000  # frames among which equal ones are searched; no more are looked at
PLAIN = 3.0  # factor between energies and forces below which only the whole audit speaks of units
KEPT = 64  # lines that are remembered: a set is read once and fitted often

_lines: OrderedDict[str, str] = OrderedDict()


def quick_look(dataset: Dataset) -> str:
    """One line about units, signs, shifts and repeated frames that are surely wrong, or "" where none are.

    >>> from labkit.datasets import ice
    >>> quick_look(ice("train", n=50)), quick_look(ice("train", n=50)[[0, 1, 1]])
    ('', '2 frames appear more than once (frames 1-2); audit(ds) says more')
    """
    some = dataset if len(dataset) <= COMPARED else dataset[:COMPARED]
    if some.hash not in _lines:
        found = [*_repeated(some), *(_surely_wrong(some) or _magnitudes(some))]
        _lines[some.hash] = "; ".join([*found, "audit(ds) says more"]) if found else ""
        while len(_lines) > KEPT:
            _lines.popitem(last=False)
    return _lines[some.hash]


def _repeated(dataset: Dataset) -> list[str]:
    frames = sorted({k for pair in repeated(dataset) for k in pair})
    return [f"{len(frames)} frames appear more than once ({listed(frames)})"] if frames else []


def _magnitudes(dataset: Dataset) -> list[str]:
    atoms = dataset.atoms
    if not len(atoms):
        return []
    arrays = isinstance(atoms, ArrayStructures)
    numbers = atoms.values("numbers", np.arange(len(atoms))) if arrays else np.concatenate([a.numbers for a in atoms])
    return suspicious(numbers, dataset.offsets, {"energy": dataset.energy, "forces": dataset.forces})


def _surely_wrong(dataset: Dataset) -> list[str]:
    if len(dataset) < FEWEST or dataset[:FRAMES].species.min(initial=1) < 1:  # beads have no bonds to judge by
        return []
    count, pairs = 0, 0.0
    while count < min(len(dataset), FRAMES) and pairs <= PAIRS:
        pairs += pair_count(dataset.atoms[count])
        count += 1
    if count < FEWEST:
        return []
    labels = Labels(dataset[:count])
    try:
        model = fit(labels, NO_PROGRESS)
        if model.weights is None:
            return []
        seen = survey(labels, model, NO_PROGRESS)
    except np.linalg.LinAlgError:
        return []
    energy = check(labels, seen, model.alignment)
    curves = [("forces", model.alignment), ("energies", None if energy is None else energy.alignment)]
    found = [f for label, curve in curves if curve is not None for f in alignment_findings(curve, label, "")]
    ratio = None if energy is None else energy.ratio
    plain = ratio is not None and not 1 / PLAIN < abs(ratio.value) < PLAIN
    found += [f for f in units(labels, model, energy).findings if plain or f.topic == "sign"]
    return [f"{f.text} (first {count} frames)" for f in found if f.severity == "problem"]
