"""The shift of frames at which the energies fit: the integrated forces, or the geometry alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from labkit.datasets.audit.alignment import Alignment, Normal, correlation_length, judge, shift_range
from labkit.datasets.audit.energy_pairing import DIFFERENT, Pairing, clipped, deviation
from labkit.datasets.audit.energy_ratio import energy_ratio
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.audit.path_work import path_work
from labkit.datasets.audit.ratio import Ratio

if TYPE_CHECKING:
    from labkit.datasets.audit.survey import Survey

SMALL_STEPS = 0.1  # share of the variance that the work along the path may leave unexplained, to be used
MOST = 300  # frames of a regression without forces


@dataclass(frozen=True, eq=False)
class EnergyCheck:
    """How labelled energies follow the forces.

    alignment  by shift
    ratio      of labelled energy differences to those from the forces, with its error; None without
    by         'path', 'model', 'changes' or 'geometry': what the energies were compared with
    residual   (S,) eV, of every frame's energy at the shift found, NaN where unknown
    spread     eV, the robust standard deviation of that
    variation  eV, the same of the energies themselves
    size       (S,) eV, how far each frame's modelled energy is from the median
    """

    alignment: Alignment
    ratio: Ratio | None
    by: str
    residual: np.ndarray
    spread: float
    variation: float
    size: np.ndarray

    @property
    def explained(self) -> float:
        """Share of the energies' variance that is explained at the shift used."""
        return 1 - self.alignment.at(self.alignment.used_shift)


def check(labels: Labels, seen: Survey, forces: Alignment) -> EnergyCheck | None:
    """Compare energies with those of a survey, which are modelled from forces with this alignment.

    None if fewer than FEWEST frames of one composition have an energy.
    """
    dataset, orders, shift = labels.dataset, labels.orders, forces.used_shift
    likely = (shift, shift - len(dataset), shift + len(dataset)) if forces.rolled else (shift,)
    model = np.full(len(dataset), np.nan)
    model[seen.frames] = seen.energy
    raw = centred(labels, model)
    model = clipped(raw)
    true = centred(labels, dataset.energy)
    change = np.append(np.where(orders[1:] == orders[:-1], np.diff(dataset.energy), np.nan), np.nan)
    pairings = {
        "path": Pairing(clipped(change), clipped(path_work(labels, shift)), orders),
        "model": Pairing(clipped(true), model, orders),
    }
    pairings["changes"] = pairings["model"].whitened()
    found = {by: pairing.scan(likely) for by, pairing in pairings.items()}
    if found["model"] is None:
        return None
    least = {by: 1.0 if one is None else float(np.nanmin(one[0].error)) for by, one in found.items()}
    if least["path"] > min(SMALL_STEPS, least["model"]):
        found["path"] = None
    by = max((by for by in found if found[by] is not None), key=lambda by: found[by][1])
    alignment, level = found[by][0], pairings["model"]
    if alignment.found:  # only single frames show whether those of the other end belong there
        error = float(np.nanmean(level.residual(alignment.found) ** 2))
        alignment = replace(alignment, rolled=level.wraps_around(alignment.found, error))
    slope = level.slope(alignment.used_shift)
    ratio = energy_ratio(labels, seen, shift, alignment.used_shift, level.ratio(alignment.used_shift, forces.at(shift)))
    source = np.arange(len(true)) + alignment.used_shift
    there = (source >= 0) & (source < len(true))
    residual = np.where(there, true[np.where(there, source, 0)], np.nan) - slope * raw
    size = np.abs(np.nan_to_num(slope * raw))
    return EnergyCheck(alignment, ratio, by, residual, deviation(residual), deviation(true), size)


def check_alone(labels: Labels, seen: Survey) -> EnergyCheck | None:
    """Energies compared with the geometry alone, if no forces help: a ridge regression on the basis functions."""
    energy = clipped(centred(labels, labels.dataset.energy))
    if correlation_length(energy) * DIFFERENT > np.isfinite(energy).sum():
        return None
    some = np.arange(len(seen.frames))[:: -(-len(seen.frames) // MOST)]
    prints = np.stack([centred(labels, column, seen.frames) for column in seen.prints.T], 1)[some]
    prints /= np.sqrt(np.nanmean(prints**2, 0)) + 1e-12
    shifts, orders, n = shift_range(len(energy)), labels.orders, len(energy)
    source = seen.frames[some][:, None] + shifts
    there = (source >= 0) & (source < n)
    source = np.where(there, source, 0)
    there &= (orders[source] == orders[seen.frames[some]][:, None]) & np.isfinite(energy[source])
    there &= np.isfinite(prints).all(1)[:, None]
    prints, y = np.nan_to_num(prints), np.where(there, np.nan_to_num(energy[source]), 0.0)
    gram = prints[:, :, None] * prints[:, None, :]
    normal = Normal(gram, prints[:, :, None] * y[:, None, :], y**2, there.astype(float))
    judged = judge("energy", shifts, normal, n)
    if judged is None or judged.verdict == "unrelated":
        return None  # the model is too poor to decide
    nothing = np.full(n, np.nan)
    return EnergyCheck(judged, None, "geometry", nothing, np.nan, deviation(energy), nothing)


def centred(labels: Labels, values: np.ndarray, frames: np.ndarray | None = None) -> np.ndarray:
    """Values minus the median of each order of atoms that 4 frames or more have (the others are NaN).

    If the volume varies, its first two powers are subtracted too: forces do not contain their part of the energy.
    """
    frames = np.arange(len(values)) if frames is None else frames
    atoms, orders = labels.dataset.atoms, labels.orders[frames]
    out = np.full(len(values), np.nan)
    for order in np.unique(orders):
        mine = np.flatnonzero((orders == order) & np.isfinite(values))
        if len(mine) < 4:
            continue
        out[mine] = values[mine] - np.median(values[mine])
        volume = np.array([atoms[k].cell.volume for k in frames[mine]])
        if volume.std() > 1e-3 * volume.mean() and len(mine) >= 10:
            powers = np.vander((volume - volume.mean()) / volume.std(), 3)
            out[mine] -= powers @ np.linalg.lstsq(powers, out[mine], rcond=None)[0]
    return out
