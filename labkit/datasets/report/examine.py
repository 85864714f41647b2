"""The whole examination, in order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from labkit.base import Progress
from labkit.datasets.report import consistency, contents, structure
from labkit.datasets.report.energies import check, check_alone
from labkit.datasets.report.finding import ORDER, Finding, Report
from labkit.datasets.report.labels import Labels
from labkit.datasets.report.model import fit
from labkit.datasets.report.shifts import FEWEST
from labkit.datasets.report.survey import Survey, survey
from labkit.errors import LabkitError

if TYPE_CHECKING:
    from labkit.datasets.dataset import Dataset

AGAINST = {
    "path": "against the work of the forces along the path",
    "model": "against the energy that the model of the forces gives",
    "changes": "against what is new from frame to frame in the energy that the model of the forces gives",
    "geometry": "linear model of the energies, each frame predicted from others",
}


def examine(dataset: Dataset, progress: Progress) -> Report:
    """Look a dataset through; see Dataset.report."""
    if len(dataset) == 0:
        raise LabkitError(f"{dataset.name or 'the dataset'} is empty; expected at least one frame")
    began = time.perf_counter()
    labels = Labels(dataset)
    model = fit(labels, progress)
    seen = survey(labels, model, progress)
    found = contents.contents(dataset) + contents.wild_forces(dataset) + contents.energies(dataset)
    found += structure.distances(dataset, seen) + structure.duplicates(dataset, seen)
    energy = None
    if model.weights is not None:
        energy = check(labels, seen.frames, seen.energy, model.alignment)
    elif np.isfinite(dataset.energy).sum() >= FEWEST:
        energy = check_alone(labels, seen)
    how = f"linear model of the forces ({model.basis.names()}), each frame predicted from others"
    found += consistency.alignment_findings(model.alignment, "forces", how)
    curve = None if energy is None else energy.alignment
    against = AGAINST["model" if energy is None else energy.by]
    found += consistency.alignment_findings(curve, "energies", against)
    found += consistency.together(labels, model.alignment, curve)
    found += consistency.odd_frames(labels, model, seen, energy)
    found += consistency.units(labels, model, energy)
    found += _what_was_seen(dataset, seen)
    found.sort(key=lambda f: ORDER.index(f.severity))
    curves = tuple(a for a in (model.alignment, curve) if a is not None)
    seconds = time.perf_counter() - began
    return Report(dataset.name or "dataset", tuple(found), curves, _values(dataset, seen), seconds, dataset)


def _what_was_seen(dataset: Dataset, seen: Survey) -> list[Finding]:
    if len(seen.frames) == len(dataset):
        return []
    text = f"distances, duplicates and single frames were looked at in {len(seen.frames)} of {len(dataset)} frames"
    return [Finding("note", "sample", text, "give parts of the set, ds[:1000].report(), to see all of it")]


def _values(dataset: Dataset, seen: Survey) -> dict[str, np.ndarray]:
    per_atom = dataset.energy / dataset.counts
    out = {"energy": per_atom[np.isfinite(per_atom)]}
    size = np.linalg.norm(dataset.forces, axis=1)
    out["forces"] = size[np.isfinite(size)]
    return {**out, **{f"nearest {kind}": values for kind, values in seen.nearest.items() if kind}}
