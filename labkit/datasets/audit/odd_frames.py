"""Findings about single frames whose labels do not belong to their geometry."""

from __future__ import annotations

import numpy as np

from labkit.datasets.audit.alignment import ENOUGH, shift_range
from labkit.datasets.audit.energy_alignment import EnergyCheck
from labkit.datasets.audit.finding import Finding, Severity
from labkit.datasets.audit.force_alignment import ForceModel
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.audit.survey import Survey
from labkit.datasets.listed import listed
from labkit.datasets.pairs import find_pairs

FEWEST_TO_COMPARE = 8  # frames among which one can be odd


ODD_FRAME = (0.2, 6.0)  # squared error as a share of the forces', and over the upper quartile of all frames


ODD_ATOM = (1.6, 4.2)  # error of one atom over the typical force, and over the upper quartile of all frames' worst


ODD_ENERGY = (7.0, 0.5, 3.0)  # over the robust spread; the energies' own spread or size; what 1 frame in 20 exceeds


UNLIKE = 5.0  # times the usual variance of a prediction, beyond which the model cannot judge a frame


def odd_frames(labels: Labels, model: ForceModel, seen: Survey, energy: EnergyCheck | None) -> list[Finding]:
    """Single frames whose labels do not belong to their geometry."""
    out = []
    remedy = "compute these frames again, or drop them: ds[[k for k in range(len(ds)) if k not in audit(ds).bad]]"
    known = np.isfinite(seen.misfit)
    if known.sum() >= FEWEST_TO_COMPARE:
        usual, usual_peak = (float(np.quantile(x[known], 0.75)) for x in (seen.misfit, seen.peak))
        misfit, peak = np.nan_to_num(seen.misfit), np.nan_to_num(seen.peak)
        odd = (misfit > ODD_FRAME[0]) & (misfit > ODD_FRAME[1] * usual)
        odd |= (peak > ODD_ATOM[0]) & (peak > ODD_ATOM[1] * usual_peak)
        odd &= np.nan_to_num(seen.unlike) < UNLIKE * np.nanmedian(seen.unlike)  # otherwise the model cannot judge it
        found = np.flatnonzero(odd)
        if len(found):
            first = found[peak[found].argmax()]
            frames = seen.frames[found]
            text = (
                f"{listed(frames)}: the forces do not belong to the geometry; worst is frame {seen.frames[first]}, "
                f"atom {seen.worst[first]}, off by {peak[first]:.2g} times a typical force; {usual_peak:.2g} is usual"
            ) + _shift_of_part(labels, model, frames)
            sure = (
                f"{misfit[first]:.0%} of the frame's squared forces are unexplained by a model of other frames; below "
                f"{usual:.1%} in three of four of {known.sum()} frames"
            )
            alike = np.bincount(labels.orders)[labels.orders[frames]]  # the model has too little data on rare kinds
            severity: Severity = "problem" if (alike >= ENOUGH).any() or len(labels.dataset) < ENOUGH else "warning"
            out.append(Finding(severity, "forces of single frames", text, remedy, sure, tuple(frames.tolist())))
    if energy is not None and energy.spread > 0 and energy.alignment.is_known and energy.by != "geometry":
        off = np.nan_to_num(np.abs(energy.residual - np.nanmedian(energy.residual)))
        usual = max(ODD_ENERGY[0] * energy.spread, ODD_ENERGY[2] * np.nanquantile(off[off > 0], 0.95))
        least = np.maximum(usual, ODD_ENERGY[1] * np.maximum(energy.variation, energy.size))
        known = np.zeros(len(off), bool)
        known[seen.frames] = np.nan_to_num(seen.unlike) < UNLIKE * np.nanmedian(seen.unlike)
        frames = np.flatnonzero((off > least) & known)
        if len(frames):
            worst = int(frames[off[frames].argmax()])
            text = (
                f"{listed(frames)}: the energy does not belong to the geometry; worst is frame {worst}, off by "
                f"{energy.residual[worst]:+.3g} eV, where {energy.spread:.2g} eV is usual"
            )
            sure = f"robust z = {off[worst] / energy.spread:.0f} relative to the energy from integrated forces"
            out.append(Finding("problem", "energies of single frames", text, remedy, sure, tuple(frames.tolist())))
    return out


def _shift_of_part(labels: Labels, model: ForceModel, frames: np.ndarray) -> str:
    """The common shift of the forces of several odd frames, if there is one."""
    if len(frames) < 3:
        return ""
    shifts = shift_range(len(labels.dataset))
    some = np.sort(frames[:40])
    pairs = find_pairs([labels.dataset.atoms[k] for k in some])
    predicted = model.basis.rows(pairs)[0] @ (model.weights / model.scale)
    best = []
    for k, start, end in zip(some.tolist(), pairs.offsets, pairs.offsets[1:]):
        source = labels.source(k, shifts)
        off = np.full(len(shifts), np.inf)
        there = np.flatnonzero(source >= 0)
        squares = [((labels.forces(j) - predicted[start:end]) ** 2).sum() for j in source[there]]
        off[there] = squares * labels.weight(source[there], 3 * int(end - start))
        best.append(int(shifts[off.argmin()]) if off.min() < ODD_FRAME[0] else None)
    common = max(set(best), key=best.count)
    if common is None or best.count(common) < 0.6 * len(best):
        return ""
    return f". {best.count(common)} of {len(best)} of them have their forces {common:+d} frames away"
