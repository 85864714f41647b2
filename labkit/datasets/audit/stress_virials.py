"""Stresses beside virials of the model of the forces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labkit.datasets.audit.energy_ratio import Changes
from labkit.datasets.audit.force_alignment import ForceModel
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.audit.stress_units import as_read, to_six
from labkit.datasets.audit.survey import Survey
from labkit.datasets.pairs import find_pairs, portions, spread

MOST, PAIRS = 200, 2e6  # frames, and pairs in them
FEWEST = 6


@dataclass(frozen=True, eq=False)
class Virials:
    """Stresses (K, 6) as labelled and of the model, minus their means over frames of the same kind; volumes (K,)."""

    labelled: np.ndarray
    modelled: np.ndarray
    volumes: np.ndarray
    kinds: np.ndarray
    unexplained: float

    def _of(self, order: str, divided: bool = False) -> np.ndarray:
        six = as_read(self.labelled, order)
        return centred(six / self.volumes[:, None] if divided else six, self.kinds)

    def changes(self, order: str, divided: bool) -> Changes:
        """All components, in this order; `divided` by the volume if they are virials."""
        ones = np.ones(self.labelled.size)
        labelled, modelled = self._of(order, divided).ravel(), centred(self.modelled, self.kinds).ravel()
        return Changes(labelled, modelled, ones, "virials of the model of the forces")

    def misfits(self, order: str) -> np.ndarray:
        """(K,) squared errors of a regression on the model, over the mean square of the labels."""
        y, x = self._of(order), centred(self.modelled, self.kinds)
        slope = (x * y).sum() / max((x * x).sum(), 1e-300)
        return ((y - slope * x) ** 2).sum(1) / max((y * y).sum(1).mean(), 1e-300)


def virials(labels: Labels, model: ForceModel, seen: Survey, frames: np.ndarray, energies: bool) -> Virials | None:
    """For some of these frames; with the weights of the model, refitted to forces and, if they agree, energies too."""
    if model.weights is None or len(frames) < FEWEST:
        return None
    dataset = labels.dataset
    atoms = [dataset.atoms[int(k)] for k in frames]
    some = frames[spread(atoms, MOST, PAIRS)]
    weights = with_energies(labels, model, seen) if energies else model.weights
    parts = []
    for batch in portions(dataset.atoms, some):
        pairs = find_pairs([dataset.atoms[int(k)] for k in batch])
        parts.append(model.basis.virials(pairs) @ (weights / model.scale))
    volumes = np.array([dataset.atoms[int(k)].cell.volume for k in some])
    modelled = np.concatenate(parts) / volumes[:, None, None]
    unexplained = model.alignment.at(model.alignment.used_shift)
    return Virials(to_six(dataset.stress[some]), to_six(modelled), volumes, labels.orders[some], unexplained)


def with_energies(labels: Labels, model: ForceModel, seen: Survey) -> np.ndarray:
    """Weights (p,) fitted to the forces and to energies minus their means over frames of the same atoms.

    Forces at constant volume say little about the pressure; energies at several volumes do.
    """
    precision = np.linalg.inv(model.root @ model.root.T)
    right = precision @ model.weights
    alignment = model.alignment
    noise = max(alignment.at(alignment.used_shift), 1e-4)
    components = 3 * float(np.median(labels.dataset.counts))
    energy = labels.dataset.energy[seen.frames]
    known = np.isfinite(energy)
    kinds = labels.orders[seen.frames][known]
    x, y = centred(seen.prints[known], kinds), centred(energy[known, None], kinds)[:, 0]
    weights = model.weights
    for _ in range(3):
        error = max(float(np.mean((y - x @ weights) ** 2)), 1e-12)
        size = components / noise
        weights = np.linalg.solve(size * precision + x.T @ x / error, size * right + x.T @ y / error)
    return weights


def centred(values: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Values (K, ...) minus their means over frames of the same kind."""
    out = values.astype(float)
    for kind in np.unique(kinds):
        out[kinds == kind] -= out[kinds == kind].mean(0)
    return out
