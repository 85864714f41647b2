"""A linear model fitted to the forces of a dataset: the shift at which they fit, and how far they are off."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from labkit.base import Progress
from labkit.datasets.audit.alignment import Alignment, Normal, judge, shift_range
from labkit.datasets.audit.basis import Basis
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.pairs import Pairs, find_pairs, portions, spread
from labkit.errors import Stopped

SAMPLE = 300  # frames that the model is fitted to
ROWS = 128  # atoms of a frame whose forces are fitted
VANISHING = 1e-4  # eV/Å, of forces that symmetry makes zero: they have nothing to align
FIT_PAIRS = 4e6  # pairs to evaluate for the fit: some seconds


@dataclass(frozen=True, eq=False)
class ForceModel:
    """F = X w / scale, fitted to a sample of the frames at the shift of `alignment`.

    scale      (p,) root mean square of the columns of X
    weights    (p,) or None if there are too few forces, or they fit at no shift
    root       (p, p) of their covariance, up to a factor
    alignment  None if there are too few frames to decide
    sample     frames that were fitted
    left_out   (len(sample),) squared errors of each, predicted without it
    """

    basis: Basis
    scale: np.ndarray
    weights: np.ndarray | None
    root: np.ndarray | None
    alignment: Alignment | None
    sample: np.ndarray
    left_out: np.ndarray

    def misfits(
        self, labels: Labels, frames: np.ndarray, pairs: Pairs, design: np.ndarray, predicted: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Squared errors (F,) of the forces that belong to these frames, about 1 where they do not; NaN without forces.

        Also the largest error of one atom over the typical force, that atom, and how unlike the fitted frames this one
        is: the mean variance of its predicted forces, up to a factor.
        """
        errors, peaks, unlike = (np.full(len(frames), np.nan) for _ in range(3))
        worst = np.zeros(len(frames), int)
        for n, (k, start, end) in enumerate(zip(frames.tolist(), pairs.offsets, pairs.offsets[1:])):
            source = labels.source(k, np.array([self.alignment.used_shift]), around=self.alignment.rolled)
            if source[0] >= 0:
                off = ((labels.forces(source[0]) - predicted[start:end]) ** 2).sum(1)
                errors[n] = off.sum() * labels.weight(source, 3 * len(off))[0]
                peaks[n], worst[n] = np.sqrt(off.max() / (3 * labels.typical)), off.argmax()
            own = (design[start : end : -(-(end - start) // ROWS)] / self.scale).reshape(-1, len(self.scale))
            unlike[n] = np.mean((own @ self.root) ** 2) * len(self.scale)
        return errors, peaks, worst, unlike


def fit(labels: Labels, progress: Progress) -> ForceModel:
    """Find the shift at which the forces fit, and the weights there."""
    frames, shifts = labels.dataset.atoms, shift_range(len(labels.dataset))
    sample = spread(frames, SAMPLE, FIT_PAIRS)
    basis = Basis.of([frames[k] for k in sample[:: max(1, len(sample) // 60)]])
    most = max(20, int(2e7 / basis.size**2))  # so that the normal equations take some 200 MB at most
    sample = sample[:: -(-len(sample) // most)]
    parts: list[tuple[np.ndarray, ...]] = []
    scale, components = np.zeros(basis.size), 0
    for batch in portions(frames, sample):
        report_progress(progress, len(parts), len(sample), "fitting forces")
        pairs = find_pairs([frames[k] for k in batch])
        design, _ = basis.rows(pairs)
        scale += np.einsum("ncp,ncp->p", design, design)
        components += 3 * len(design)
        for k, start, end in zip(batch.tolist(), pairs.offsets, pairs.offsets[1:]):
            rows, source = _rows(end - start, k), labels.source(k, shifts)
            x = design[start:end][rows].reshape(3 * len(rows), -1)
            y = np.zeros((len(shifts), len(x)))
            for s in np.flatnonzero(source >= 0):
                y[s] = labels.forces(source[s])[rows].ravel()
            parts.append((x.T @ x, x.T @ y.T, (y**2).sum(1), labels.weight(source, len(x))))
    scale = np.sqrt(scale / components) + 1e-12
    grams, rights, squares, weights = (np.stack(part) for part in zip(*parts))
    normal = Normal(grams / np.outer(scale, scale), rights / scale[:, None], squares, weights)
    blank = ForceModel(basis, scale, None, None, None, sample, np.full(len(sample), np.nan))
    alignment = judge("forces", shifts, normal, len(frames)) if labels.typical > VANISHING**2 else None
    if alignment is None:
        return blank
    if alignment.verdict == "unrelated" or alignment.at(alignment.used_shift) > 0.5:
        return replace(blank, alignment=alignment)
    column = int(np.flatnonzero(shifts == alignment.used_shift)[0])
    left_out = normal.left_out(column)
    solved, root = normal.weights(column)
    model = replace(blank, weights=solved, root=root, alignment=alignment, left_out=left_out)
    if alignment.verdict == "shifted":
        model = replace(model, alignment=replace(alignment, rolled=_wraps_around(labels, model)))
    return model


def _wraps_around(labels: Labels, model: ForceModel) -> bool:
    """Whether frames that the shift leaves without forces fit the forces of the other end."""
    n, s = len(labels.dataset), model.alignment.used_shift
    over = np.arange(n - s, n) if s > 0 else np.arange(-s)
    over = over[:: max(1, len(over) // 10)]
    pairs = find_pairs([labels.dataset.atoms[k] for k in over])
    around = replace(model, alignment=replace(model.alignment, rolled=True))
    design, _ = model.basis.rows(pairs)
    errors, *_ = around.misfits(labels, over, pairs, design, design @ (model.weights / model.scale))
    most = max(0.25, 3 * float(np.nanmedian(model.left_out)))
    return bool(np.isfinite(errors).any() and np.nanmedian(errors) < most)


def _rows(atoms: int, seed: int) -> np.ndarray:
    if atoms <= ROWS:
        return np.arange(atoms)
    return np.sort(np.random.default_rng(seed).choice(atoms, ROWS, replace=False))


def report_progress(progress: Progress, step: int, total: int, what: str) -> None:
    if progress.should_stop():
        raise Stopped(f"the audit was stopped while {what}")
    progress.update(step, total, stage=what)
