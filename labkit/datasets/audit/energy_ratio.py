"""How much labelled energies change where the forces say by how much they should."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.audit.frame_steps import Steps
from labkit.datasets.audit.ratio import FEWEST, Changes, Ratio

if TYPE_CHECKING:
    from labkit.datasets.audit.survey import Survey

COMMON = 0.5  # of the scatter of changes, the part that may be common to all
FLOOR = 0.3  # of the median error of a change, the least error that one is given
MOST = 400  # frames of one kind that are compared


def energy_ratio(labels: Labels, seen: Survey, forces: int, energy: int, level: Ratio | None) -> Ratio | None:
    """The ratio with the least error: of frames that are neighbours, of any two, or `level`, from the model alone."""
    found = [] if level is None else [level]
    for some in changes(labels, seen, forces, energy):
        if (ratio := some.ratio(COMMON)) is None:
            continue
        found.append(ratio)
        each = some._replace(labelled=some.labelled * some.counts).ratio(COMMON)
        if np.ptp(some.counts) > 0 and each is not None and each.error < 0.5 * ratio.error:
            found[-1] = each._replace(per_atom=True)
    return min(found, key=lambda ratio: ratio.error, default=None)


def changes(labels: Labels, seen: Survey, forces: int, energy: int) -> Iterator[Changes]:
    """Changes between frames of the same atoms in the same cell, where labels have these shifts.

    From a to b it is ΔE = ΔE_m - (δF_a + δF_b)·(R_b - R_a)/2, with the model's energy E_m and what the labelled forces
    are more than the model's, δF: exact for a right model, and for one that is wrong by a harmonic energy. Its error is
    in proportion to |δF| |R_b - R_a|.
    """
    rows: dict[str, list[tuple[float, float, float, int]]] = {"neighbours": [], "any two": []}
    for places in _kinds(labels, seen):
        step = Steps(labels, seen, places, forces)
        source = seen.frames[places] + energy
        inside = (source >= 0) & (source < len(labels.dataset))
        energies = np.where(inside, labels.dataset.energy[np.where(inside, source, 0)], np.nan)
        for by, pairs in (("neighbours", step.neighbours()), ("any two", step.any_two())):
            for a, b in pairs:
                rows[by].append((energies[b] - energies[a], *step.implied(a, b), step.atoms))
    for by, found in rows.items():
        if len(found) >= FEWEST:
            labelled, implied, bound, counts = (np.array(column, float) for column in zip(*found))
            size = bound + FLOOR * np.nanmedian(bound)
            yield Changes(labelled / size, implied / size, counts, by)


def _kinds(labels: Labels, seen: Survey) -> Iterator[np.ndarray]:
    """Places in the survey of the frames that have the same atoms, boundaries and cell."""
    kinds: dict[tuple, list[int]] = {}
    for place, k in enumerate(seen.frames):
        atoms = labels.dataset.atoms[int(k)]
        cell = np.round(atoms.cell.array, 5) + 0.0 if atoms.pbc.any() else np.zeros(1)
        kinds.setdefault((labels.orders[k], atoms.pbc.tobytes(), cell.tobytes()), []).append(place)
    for places in kinds.values():
        if len(places) >= 4:
            yield np.array(places)[:: -(-len(places) // MOST)]
