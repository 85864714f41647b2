"""One pass over all frames: distances, fingerprints, and predictions of the fitted model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols

from labkit.base import Progress
from labkit.datasets.audit.force_alignment import ForceModel, report_progress
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.pairs import Pairs, find_pairs, portions, relative_distance, spread

SURVEY_PAIRS = 4e7  # pairs to evaluate: a minute


@dataclass(frozen=True, eq=False)
class Survey:
    """The results of one pass over F frames.

    frames   (F,)   which: all, or as many as the budget allowed
    energy   (F,)   of the fitted model, eV up to a constant for each composition; NaN without a fit
    misfit   (F,)   squared errors of the forces, as in ForceModel.misfits; NaN without
    peak     (F,)   the largest error of one atom over the typical force, of atom `worst` (F,)
    unlike   (F,)   variance of the predicted forces, up to a factor: large if the geometry is unlike all others
    prints   (F, p) energies of the basis functions over their scales, by which duplicates are recognized
    forces   (m, 3) of the model, eV/Å, of the m atoms of these frames, which begin at starts (F+1,); 0 without
    closest  (F,)   least distance over covalent radii; pair (F, 2) its atoms
    nearest         {pair of elements: relative distances of atoms' nearest neighbours}, all together under ""
    """

    frames: np.ndarray
    energy: np.ndarray
    misfit: np.ndarray
    peak: np.ndarray
    worst: np.ndarray
    unlike: np.ndarray
    prints: np.ndarray
    forces: np.ndarray
    starts: np.ndarray
    closest: np.ndarray
    pair: np.ndarray
    nearest: dict[str, np.ndarray]

    def of(self, place: int) -> np.ndarray:
        """(n, 3) the model's forces of the frame in this place of `frames`."""
        return self.forces[self.starts[place] : self.starts[place + 1]]


def survey(labels: Labels, model: ForceModel, progress: Progress) -> Survey:
    """Go through the frames."""
    atoms = labels.dataset.atoms
    frames = spread(atoms, len(atoms), SURVEY_PAIRS)
    parts, nearest, done = [], {}, 0
    for batch in portions(atoms, frames):
        report_progress(progress, done, len(frames), "going through the frames")
        pairs = find_pairs([atoms[k] for k in batch])
        design, energies = model.basis.rows(pairs)
        prints = energies / model.scale
        known = model.weights is not None
        energy = prints @ model.weights if known else np.full(len(batch), np.nan)
        nothing = (energy, energy, np.zeros(len(batch), int), energy)
        forces = design @ (model.weights / model.scale) if known else np.zeros((len(design), 3))
        misfit = model.misfits(labels, batch, pairs, design, forces) if known else nothing
        parts.append((energy, *misfit, prints, forces, *_closest(pairs, len(batch))))
        any_, kinds = _nearest(pairs)
        nearest.setdefault("", []).append(any_)
        for kind, values in kinds.items():
            nearest.setdefault(kind, []).append(values)
        done += len(batch)
    energy, misfit, peak, worst, unlike, prints, forces, closest, pair = (np.concatenate(x) for x in zip(*parts))
    _, here, there = np.intersect1d(frames, model.sample, return_indices=True)
    better = np.isfinite(model.left_out[there])
    misfit[here[better]] = model.left_out[there[better]]  # predicted without the frame itself
    joined = {kind: np.concatenate(values) for kind, values in nearest.items()}
    starts = np.concatenate([[0], np.cumsum(labels.dataset.counts[frames])]).astype(int)
    return Survey(frames, energy, misfit, peak, worst, unlike, prints, forces, starts, closest, pair, joined)


def _closest(pairs: Pairs, count: int) -> tuple[np.ndarray, np.ndarray]:
    ratio = relative_distance(pairs)
    frame = np.searchsorted(pairs.offsets, pairs.i, side="right") - 1
    out, atoms = np.full(count, np.inf), np.zeros((count, 2), int)
    order = np.lexsort((ratio, frame))
    first = order[np.unique(frame[order], return_index=True)[1]]
    out[frame[first]] = ratio[first]
    both = np.sort(np.stack([pairs.i[first], pairs.j[first]], 1), axis=1)
    atoms[frame[first]] = both - pairs.offsets[frame[first]][:, None]
    return out, atoms


def _nearest(pairs: Pairs) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Relative distances of each atom's nearest neighbour, and of its nearest of each element, by both elements."""
    order = np.lexsort((pairs.distance, pairs.numbers[pairs.j], pairs.i))
    place = pairs.i[order].astype(np.int64) * 200 + pairs.numbers[pairs.j[order]]
    first = order[np.unique(place, return_index=True)[1]]
    ratio = relative_distance(pairs)[first]
    one, other = np.sort(np.stack([pairs.numbers[pairs.i[first]], pairs.numbers[pairs.j[first]]]), axis=0)
    code = one * 200 + other
    kinds = {"-".join(chemical_symbols[z] for z in divmod(int(c), 200)): ratio[code == c] for c in np.unique(code)}
    starts = np.unique(pairs.i[first], return_index=True)[1]
    return (np.minimum.reduceat(ratio, starts) if len(starts) else ratio), kinds
