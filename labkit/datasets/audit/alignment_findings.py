"""Findings about labels that belong to other frames."""

from __future__ import annotations

import numpy as np

from labkit.datasets.audit.alignment import ENOUGH, Alignment
from labkit.datasets.audit.finding import Finding, Severity
from labkit.datasets.audit.frame_labels import Labels

LIKELY = 0.1  # probability of no shift, below which another one is worth a warning


def alignment_findings(found: Alignment | None, label: str, how: str) -> list[Finding]:
    """The result of the scan over shifts, in words."""
    topic = f"{label} alignment"
    if found is None:
        return [Finding("note", topic, "not tested: too few frames with the same atoms and this label, or too similar")]
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
            f"found a shift of {s:+d}: {label} of the geometry of frame k are in frame k{s:+d}; so {explained:.1%} "
            f"of them are explained, without the shift {other:.1%}; "
        )
        text += "those of the other end wrapped around" if found.rolled else "those of the other end are not in the set"
        late = "late" if s > 0 else "early"
        remedy = f"ds = audit(ds).repaired(), and find the step that writes {label} {abs(s)} frames too {late}"
        return [Finding("problem", topic, text, remedy, sure)]
    if found.verdict == "unrelated":
        text = f"{label} do not fit at any shift of frames, as if they were shuffled: "
        text += f"{max(explained, 0.0):.1%} of them are explained at best ({_shift(found.best)})"
        remedy = "are the frames, or their atoms, in another order than in the source of the labels?"
        enough = label == "forces" and found.frames[found.shifts == 0][0] >= ENOUGH
        severity: Severity = "problem" if enough else "warning"
        return [Finding(severity, topic, text, remedy, sure)]
    text = f"undecided: {explained:.1%} explained at {_shift(found.best)}, {1 - found.at(0):.1%} at no shift; "
    text += "the frames are too few or too similar"
    severity = "warning" if found.at(found.best) < 0.25 * found.at(0) and found.p < LIKELY else "note"
    return [Finding(severity, topic, text, "give more frames, further apart in time", sure)]


def common_shift(labels: Labels, forces: Alignment | None, energy: Alignment | None) -> list[Finding]:
    """A finding if all labels have the same shift."""
    if forces is None or energy is None or not forces.found or not energy.found:
        return []
    n = len(labels.dataset) if forces.rolled else 10**9
    if (forces.found - energy.found) % n:
        return []
    text = f"forces and energies are shifted together, by {forces.found:+d}: the geometries were shifted"
    return [Finding("note", "alignment", text)]


def _shift(s: int) -> str:
    return "no shift" if s == 0 else f"shift {s:+d}"
