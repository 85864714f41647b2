"""Stresses beside virials of the model of the forces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labkit.datasets.audit.force_alignment import ForceModel
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.audit.ratio import Changes, Ratio
from labkit.datasets.audit.stress_units import as_read, to_six
from labkit.datasets.audit.survey import Survey
from labkit.datasets.pairs import find_pairs, portions, spread

MOST, PAIRS = 200, 2e6  # frames, and pairs in them
FEWEST = 6


@dataclass(frozen=True, eq=False)
class Virials:
    """Stresses (K, 6) as labelled and of the model, with the volumes and kinds of their frames (K,).

    spread  (K, 6, p) changes of the model's stresses by p independent errors of its weights, of one standard error each
    """

    labelled: np.ndarray
    modelled: np.ndarray
    volumes: np.ndarray
    kinds: np.ndarray
    spread: np.ndarray

    def _of(self, order: str, divided: bool = False) -> np.ndarray:
        six = as_read(self.labelled, order)
        return centred(six / self.volumes[:, None] if divided else six, self.kinds)

    def ratio(self, order: str, divided: bool) -> Ratio | None:
        """Of all components, in this order, to those of the model; `divided` by the volume if they are virials.

        Errors of the model's weights are part of the ratio's.
        """
        y, x = self._of(order, divided), centred(self.modelled, self.kinds)
        found = Changes(y.ravel(), x.ravel(), np.ones(y.size), "virials of the model of the forces").ratio(common=1.0)
        if found is None:
            return None
        of_weights = np.einsum("kc,kcp->p", x, centred(self.spread, self.kinds)) / (x * x).sum()
        return found._replace(error=float(np.hypot(found.error, np.linalg.norm(of_weights))))

    def misfits(self, order: str) -> np.ndarray:
        """(K, 6) squared errors of a regression on the model, over the mean square of the labels of a frame."""
        y, x = self._of(order), centred(self.modelled, self.kinds)
        slope = (x * y).sum() / max((x * x).sum(), 1e-300)
        return (y - slope * x) ** 2 / max((y * y).sum(1).mean(), 1e-300)


def virials(
    labels: Labels, model: ForceModel, seen: Survey, frames: np.ndarray, energies: bool, factor: float
) -> Virials | None:
    """For some of these frames; with the weights of the model, refitted to forces and, if they agree, energies too.

    `factor` converts the forces to eV/Å.
    """
    if model.weights is None or len(frames) < FEWEST or not np.isfinite(factor):
        return None
    dataset = labels.dataset
    atoms = [dataset.atoms[int(k)] for k in frames]
    some = frames[spread(atoms, MOST, PAIRS)]
    weights, root = with_energies(labels, model, seen, energies)
    parts, spreads = [], []
    for batch in portions(dataset.atoms, some):
        pairs = find_pairs([dataset.atoms[int(k)] for k in batch])
        rows = model.basis.virials(pairs) / model.scale
        parts.append(rows @ weights)
        spreads.append(to_six(rows) @ root)
    volumes = np.array([dataset.atoms[int(k)].cell.volume for k in some])
    modelled = factor * np.concatenate(parts) / volumes[:, None, None]
    spread_ = factor * np.concatenate(spreads) / volumes[:, None, None]
    return Virials(to_six(dataset.stress[some]), to_six(modelled), volumes, labels.orders[some], spread_)


def with_energies(labels: Labels, model: ForceModel, seen: Survey, energies: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weights (p,) fitted to the forces and, with `energies`, to energies minus their means over frames of one kind.

    Forces at constant volume say little about the pressure; energies at several volumes do. Also the root L (p, p) of
    the covariance LLᵀ of the weights, with the errors that forces and energies are left with.
    """
    precision = np.linalg.inv(model.root @ model.root.T)
    alignment = model.alignment
    components = 3 * float(np.median(labels.dataset.counts))
    precision *= components / max(alignment.at(alignment.used_shift), 1e-4)
    right, weights = precision @ model.weights, model.weights
    if energies:
        energy = labels.dataset.energy[seen.frames]
        known = np.isfinite(energy)
        kinds = labels.orders[seen.frames][known]
        x, y = centred(seen.prints[known], kinds), centred(energy[known, None], kinds)[:, 0]
        forces = precision
        for _ in range(3):
            error = max(float(np.mean((y - x @ weights) ** 2)), 1e-12)
            precision = forces + x.T @ x / error
            weights = np.linalg.solve(precision, right + x.T @ y / error)
    return weights, np.linalg.inv(np.linalg.cholesky(precision)).T


def centred(values: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Values (K, ...) minus their means over frames of the same kind."""
    out = values.astype(float)
    for kind in np.unique(kinds):
        out[kinds == kind] -= out[kinds == kind].mean(0)
    return out
