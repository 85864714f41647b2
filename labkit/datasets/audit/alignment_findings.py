"""Findings about labels and geometry together: shifts, signs, units, and single frames that are wrong."""

from __future__ import annotations

import numpy as np

from labkit.datasets.audit.alignment import Alignment, shift_range
from labkit.datasets.audit.energy_alignment import EnergyCheck
from labkit.datasets.audit.force_alignment import ForceModel
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.audit.label_units import FACTOR, name_forces, name_ratio, stiffness
from labkit.datasets.audit.pairs import find_pairs
from labkit.datasets.audit.report import Finding, Severity, listed
from labkit.datasets.audit.survey import Survey

ENOUGH = 20  # frames from which forces that fit nowhere are a problem, and not too little to go by
FEWEST_TO_COMPARE = 8  # frames among which one can be odd
ODD_FRAME = (0.2, 6.0)  # squared error as a share of the forces', and over the upper quartile of all frames
ODD_ATOM = (1.6, 4.2)  # error of one atom over the typical force, and over the upper quartile of all frames' worst
ODD_ENERGY = (7.0, 0.5, 3.0)  # over the robust spread; the energies' own spread or size; what 1 frame in 20 exceeds
UNLIKE = 5.0  # times the usual variance of a prediction, beyond which the model says nothing of a frame
NEAR_ONE = (1.2, 1.35)  # factor beyond its bounds within which a ratio counts as one: if it explains all, or less


def alignment_findings(found: Alignment | None, label: str, how: str) -> list[Finding]:
    """What the scan over shifts says, in words."""
    topic = f"{label} alignment"
    if found is None:
        return [Finding("note", topic, "not tested: too few frames with the same atoms and this label, or too alike")]
    tried = int(np.isfinite(found.error).sum())
    explained, other = 1 - found.at(found.best), 1 - found.at(found.rival)
    sure = f"{how}; {tried} shifts from {found.shifts[0]} to {found.shifts[-1]} tried"
    against = f"; {_shift(found.best)} against {_shift(found.rival)}: z = {found.z:.1f}, p = {max(found.p, 1e-300):.1g}"
    frames = int(found.frames[found.shifts == found.best][0])
    sure += f", {frames} frames compared{against} (all shifts counted)"
    if found.verdict == "aligned":
        text = f"{label} belong to their frames: {explained:.1%} explained there, {other:.1%} at the next best shift"
        if found.p > 0.01:
            text += f" ({_shift(found.rival)}, which cannot be told apart from so few different frames)"
        return [Finding("note", topic, text, sure=sure)]
    if found.verdict == "shifted":
        s = found.found
        text = (
            f"found a shift of {s:+d}: {label} of the geometry of frame k stand in frame k{s:+d}; so {explained:.1%} "
            f"of them are explained, as they stand {other:.1%}; "
        )
        text += "those of the other end went round" if found.rolled else "those of the other end are not in the set"
        late = "late" if s > 0 else "early"
        remedy = f"ds = ds.report().mended(), and find the step that writes {label} {abs(s)} frames too {late}"
        return [Finding("problem", topic, text, remedy, sure)]
    if found.verdict == "unrelated":
        text = f"{label} fit no shift of the frames: {explained:.1%} explained at best ({_shift(found.best)})"
        remedy = "are the frames in another order, or the atoms, than where the labels come from?"
        enough = label == "forces" and found.frames[found.shifts == 0][0] >= ENOUGH
        severity: Severity = "problem" if enough else "warning"
        return [Finding(severity, topic, text, remedy, sure)]
    text = f"cannot be told: {explained:.1%} explained at {_shift(found.best)}, {1 - found.at(0):.1%} at no shift; "
    text += "the frames are too few or too alike"
    severity = "warning" if found.at(found.best) < 0.25 * found.at(0) else "note"
    return [Finding(severity, topic, text, "give more frames, further apart in time", sure)]


def together(labels: Labels, forces: Alignment | None, energy: Alignment | None) -> list[Finding]:
    """Say so where all labels moved by the same shift."""
    if forces is None or energy is None or not forces.found or not energy.found:
        return []
    n = len(labels.dataset) if forces.rolled else 10**9
    if (forces.found - energy.found) % n:
        return []
    text = f"forces and energies are shifted together, by {forces.found:+d}: it is the geometries that moved"
    return [Finding("note", "alignment", text)]


def odd_frames(labels: Labels, model: ForceModel, seen: Survey, energy: EnergyCheck | None) -> list[Finding]:
    """Single frames whose labels are not those of their geometry."""
    out = []
    remedy = "compute these frames again, or drop them: ds[[k for k in range(len(ds)) if k not in ds.report().bad]]"
    known = np.isfinite(seen.misfit)
    if known.sum() >= FEWEST_TO_COMPARE:
        usual, usual_peak = (float(np.quantile(x[known], 0.75)) for x in (seen.misfit, seen.peak))
        misfit, peak = np.nan_to_num(seen.misfit), np.nan_to_num(seen.peak)
        odd = (misfit > ODD_FRAME[0]) & (misfit > ODD_FRAME[1] * usual)
        odd |= (peak > ODD_ATOM[0]) & (peak > ODD_ATOM[1] * usual_peak)
        odd &= np.nan_to_num(seen.unlike) < UNLIKE * np.nanmedian(seen.unlike)  # else nothing can be said of it
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
            alike = np.bincount(labels.orders)[labels.orders[frames]]  # of rare kinds the model knows too little
            severity: Severity = "problem" if (alike >= ENOUGH).any() or len(labels.dataset) < ENOUGH else "warning"
            out.append(Finding(severity, "forces of single frames", text, remedy, sure, tuple(frames.tolist())))
    if energy is not None and energy.spread > 0 and energy.alignment.told and energy.by != "geometry":
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
            sure = f"robust z = {off[worst] / energy.spread:.0f} against the energy that the forces integrate to"
            out.append(Finding("problem", "energies of single frames", text, remedy, sure, tuple(frames.tolist())))
    return out


def _shift_of_part(labels: Labels, model: ForceModel, frames: np.ndarray) -> str:
    """Where the forces of several odd frames stand, if they moved together."""
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


def units(labels: Labels, model: ForceModel, energy: EnergyCheck | None) -> list[Finding]:
    """Signs and units: how stiff bonds are, and whether energies are what the forces integrate to."""
    if model.weights is None:
        return []
    bonds = bond_stiffness(labels, model)
    stiff = float(np.median([ratio for _, ratio in bonds.values()])) if bonds else None
    shown = ", ".join(f"{kind} {k:.3g}" for kind, (k, _) in list(bonds.items())[:4])
    judged = energy is not None and energy.alignment.told and energy.by != "geometry" and energy.explained > 0.5
    low, high = (energy.low, energy.high) if judged else (1.0, 1.0)
    sure = f"force constants {shown} eV/Å^2, {stiff:.2g} times what is expected" if bonds else "no bonds to measure"
    if judged:
        what = "the work along the path" if energy.by == "path" else "the model of the forces"
        sure += f"; labelled energies are {_about(low, high)} times what {what} says"
    if stiff is not None and stiff < 0:
        both = judged and low > 0
        what = "energies and forces have the sign" if both else "the forces (now +dE/dR) have the sign"
        text = f"bonds push when long and pull when short: {what} flipped"
        remedy = "multiply energies and forces by -1" if both else "multiply the forces by -1: dE/dR is not a force"
        return [Finding("problem", "sign", text, remedy, sure)]
    if judged and low < 0:
        text = "energies fall where the forces say that they rise: the energies have the sign flipped"
        if stiff is None:
            text = "energies fall where the forces say that they rise: the sign of one of them is flipped"
        return [Finding("problem", "sign", text, "multiply by -1 what is wrong", sure)]
    odd = stiff is not None and not 1 / FACTOR < stiff < FACTOR
    near = NEAR_ONE[0 if judged and energy.explained > 0.98 else 1]
    if judged and not low / near < 1 < high * near:
        sizes = float(np.median(labels.dataset.counts))
        named = name_ratio(low, high, sizes, stiff)
        text = f"energies and forces are not in the same units: energies change {_about(low, high)} times too much"
        text += f", as with {named}" if named else ""
        return [Finding("problem", "units", text, "convert energies to eV and forces to eV/Å", sure)]
    if odd:
        unit = name_forces(stiff)
        text = f"forces are {stiff:.3g} times as large as bonds of these lengths should give"
        text += f", as in {unit}" if unit else ""
        text += "; energies agree with them, so both are in that unit" if judged else ""
        return [Finding("problem", "units", text, "convert energies to eV and forces to eV/Å", sure)]
    if stiff is None and not judged:
        return [Finding("note", "units", "units of forces and energies could not be checked", sure=sure)]
    text = "energies, forces and positions go together as eV, eV/Å and Å" if judged else "forces look like eV/Å"
    return [Finding("note", "units", text, sure=sure)]


def _about(low: float, high: float) -> str:
    return f"{high:.4g}" if abs(high / low - 1) < 0.02 else f"{low:.3g} to {high:.3g}"


def bond_stiffness(labels: Labels, model: ForceModel) -> dict[str, tuple[float, float]]:
    """As of `stiffness`, from a sample of frames with the forces that belong to them."""
    sample = model.sample[:: max(1, len(model.sample) // 100)]
    source = [labels.source(int(k), np.array([model.alignment.taken]))[0] for k in sample]
    both = [(int(k), j) for k, j in zip(sample, source) if j >= 0]
    if not both:
        return {}
    pairs = find_pairs([labels.dataset.atoms[k] for k, _ in both], cutoff=4.0)
    return stiffness(pairs, np.concatenate([labels.forces(j) for _, j in both]))


def _shift(s: int) -> str:
    return "no shift" if s == 0 else f"shift {s:+d}"
