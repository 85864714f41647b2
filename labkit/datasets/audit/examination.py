"""The examination of a dataset, in order."""

from __future__ import annotations

import time

import numpy as np

from labkit.base.progress import NO_PROGRESS, Progress
from labkit.datasets.audit import (
    alignment_findings,
    composition_energies,
    contents,
    geometry,
    odd_frames,
    unit_findings,
)
from labkit.datasets.audit.alignment import FEWEST
from labkit.datasets.audit.atom_order import atom_order
from labkit.datasets.audit.energy_alignment import check, check_alone
from labkit.datasets.audit.finding import ORDER, Finding
from labkit.datasets.audit.force_alignment import fit
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.audit.report import Report
from labkit.datasets.audit.stress import stress
from labkit.datasets.audit.survey import Survey, survey
from labkit.datasets.dataset import Dataset
from labkit.errors import LabkitError

AGAINST = {
    "path": "compared with the work of the forces along the path",
    "model": "compared with the energy from the model of the forces",
    "changes": "compared with what is new from frame to frame in the energy from the model of the forces",
    "geometry": "linear model of the energies, each frame predicted from others",
}


def audit(dataset: Dataset, progress: Progress = NO_PROGRESS) -> Report:
    """Examine labelled frames: contents, duplicates, outliers, distances, units, and whether labels fit their frames.

    Forces and energies are compared with the geometry by a linear model, cross-validated at every shift of frames from
    -100 to 100. `print(audit(ds))` lists the findings by severity; `report.problems` are those to repair.

    Raises LabkitError for an empty set, and Stopped when `progress` asks to stop.

    >>> from labkit.datasets import ice
    >>> audit(ice("train", n=50)).problems
    ()
    """
    if len(dataset) == 0:
        raise LabkitError(f"{dataset.name or 'the dataset'} is empty; expected at least one frame")
    began = time.perf_counter()
    dataset, filled = contents.filled_in(dataset)
    labels = Labels(dataset)
    model = fit(labels, progress)
    order = atom_order(labels, model)
    if order is not None:  # the rest is judged with the forces where they belong
        labels = Labels(order.repaired(dataset))
        model = fit(labels, progress)
        filled.append(order.finding())
    seen = survey(labels, model, progress)
    found = filled + contents.contents(dataset) + contents.wild_forces(labels.dataset, seen)
    found += composition_energies.energies(dataset)
    found += geometry.distances(dataset, seen) + geometry.duplicates(dataset, seen)
    energy = None
    if model.weights is not None:
        energy = check(labels, seen, model.alignment)
    elif np.isfinite(dataset.energy).sum() >= FEWEST:
        energy = check_alone(labels, seen)
    how = f"linear model of the forces ({model.basis.names()}), each frame predicted from others"
    found += alignment_findings.alignment_findings(model.alignment, "forces", how)
    curve = None if energy is None else energy.alignment
    against = AGAINST["model" if energy is None else energy.by]
    found += alignment_findings.alignment_findings(curve, "energies", against)
    found += alignment_findings.common_shift(labels, model.alignment, curve)
    found += odd_frames.odd_frames(labels, model, seen, energy)
    units = unit_findings.units(labels, model, energy)
    agree = energy is not None and energy.ratio is not None and not any(f.severity == "problem" for f in units.findings)
    stresses = stress(labels, model, seen, agree, units.forces)
    found += [*units.findings, *stresses.findings]
    found += _coverage(dataset, seen)
    found.sort(key=lambda f: ORDER.index(f.severity))
    curves = tuple(a for a in (model.alignment, curve) if a is not None)
    seconds = time.perf_counter() - began
    repairs = tuple(x.repaired for x in (order, stresses.fault) if x)
    return Report(dataset.name or "dataset", tuple(found), curves, _values(dataset, seen), seconds, dataset, repairs)


def _coverage(dataset: Dataset, seen: Survey) -> list[Finding]:
    if len(seen.frames) == len(dataset):
        return []
    text = f"distances, duplicates and single frames were checked in {len(seen.frames)} of {len(dataset)} frames"
    return [Finding("note", "sample", text, "audit parts of the set, as in audit(ds[:1000]), to check all of it")]


def _values(dataset: Dataset, seen: Survey) -> dict[str, np.ndarray]:
    per_atom = dataset.energy / dataset.counts
    out = {"energy": per_atom[np.isfinite(per_atom)]}
    size = np.linalg.norm(dataset.forces, axis=1)
    out["forces"] = size[np.isfinite(size)]
    return {**out, **{f"nearest {kind}": values for kind, values in seen.nearest.items() if kind}}
