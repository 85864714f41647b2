"""Findings about single frames whose labels do not belong to their geometry."""

from __future__ import annotations

import numpy as np

from labkit.datasets.audit.alignment import ENOUGH, shift_range
from labkit.datasets.audit.energy_alignment import EnergyCheck
from labkit.datasets.audit.energy_pairing import deviation
from labkit.datasets.audit.finding import Finding, Severity
from labkit.datasets.audit.force_alignment import ForceModel
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.audit.survey import Survey
from labkit.datasets.listed import listed
from labkit.datasets.pairs import find_pairs

FEWEST_TO_COMPARE = 8  # frames among which one can be odd
ODD_FRAME = (0.3, 6.0, 0.8)  # squared error as a share of the forces', and over that expected; largest error of an atom
ODD_ATOM = (1.6, 4.2)  # error of one atom over the typical force, and over that expected
ODD_ENERGY = (7.0, 0.5, 3.0)  # over the robust spread; the energies' own spread or size; what 1 frame in 20 exceeds
CERTAIN = 5.0  # standard deviations of ln(error) beyond which an error is odd
UNLIKE = 5.0  # times the usual variance of a prediction, beyond which the model cannot judge a frame


def odd_frames(labels: Labels, model: ForceModel, seen: Survey, energy: EnergyCheck | None) -> list[Finding]:
    """Single frames whose labels do not belong to their geometry."""
    out = []
    remedy = "compute these frames again, or drop them: ds[[k for k in range(len(ds)) if k not in audit(ds).bad]]"
    known = np.isfinite(seen.misfit)
    if known.sum() >= FEWEST_TO_COMPARE:
        misfit, peak = np.nan_to_num(seen.misfit), np.nan_to_num(seen.peak)
        square = np.add.reduceat((seen.forces**2).mean(1), seen.starts[:-1]) / np.diff(seen.starts)
        size = np.sqrt(square / labels.typical) + 1e-3
        usual, spread = expected(seen.misfit, seen.unlike, size)
        usual_peak, spread_peak = expected(seen.peak, seen.unlike, size)
        odd = misfit > usual * max(ODD_FRAME[1], spread**CERTAIN)
        odd &= (misfit > ODD_FRAME[0]) & (peak > ODD_FRAME[2])
        atom = peak > usual_peak * max(ODD_ATOM[1], spread_peak**CERTAIN)
        odd |= atom & (peak > ODD_ATOM[0] * np.maximum(size, 1))
        odd &= np.nan_to_num(seen.unlike) < UNLIKE * np.nanmedian(seen.unlike)  # otherwise the model cannot judge it
        found = np.flatnonzero(odd)
        if len(found):
            first = found[peak[found].argmax()]
            frames = seen.frames[found]
            text = (
                f"{listed(frames)}: the forces do not belong to the geometry; worst is frame {seen.frames[first]}, "
                f"atom {seen.worst[first]}, off by {peak[first]:.2g} times a typical force; {usual_peak[first]:.2g} is "
                "usual in such a frame"
            ) + _shift_of_part(labels, model, frames)
            sure = (
                f"{misfit[first]:.0%} of the frame's squared forces are unexplained by a model of other frames; "
                f"expected are {usual[first]:.1%} within a factor {spread:.2g}, from {known.sum()} frames"
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


def expected(values: np.ndarray, unlike: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, float]:
    """Errors (F,) that frames have if nothing is wrong with them, and the factor of one standard deviation.

    ln(error) is linear in the ln of how unlike others a frame is and of the size of its modelled forces: a hot frame
    is allowed more than a cold one. The line goes through all frames but the odd ones.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        y, x = np.log(values), np.column_stack([np.ones(len(values)), np.log(unlike), np.log(size)])
    known = np.isfinite(y) & np.isfinite(x).all(1)
    x = np.where(np.isfinite(x), x, 0.0)
    slopes, used = np.array([np.nanmedian(y[known]), 0.0, 0.0]), known
    spread = deviation(y[known])
    for _ in range(4):
        off = y - x @ slopes
        used = known & (np.abs(np.where(known, off, np.inf)) <= 3 * spread)
        if used.sum() < 3 * len(slopes):
            break
        slopes = np.linalg.lstsq(x[used], y[used], rcond=None)[0]
        slopes[1:] = np.maximum(slopes[1:], 0.0)
        slopes[0] = np.median((y - x[:, 1:] @ slopes[1:])[used])
        spread = deviation((y - x @ slopes)[used])
    return np.exp(x @ slopes), float(np.exp(spread))


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
