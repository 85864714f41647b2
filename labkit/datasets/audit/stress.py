"""Findings about stresses: compared with virials of the model of the forces, and with energies of scaled cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labkit.datasets.audit.alignment import paired
from labkit.datasets.audit.finding import Finding
from labkit.datasets.audit.force_alignment import ForceModel
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.audit.ratio import FEWEST, Ratio
from labkit.datasets.audit.stress_units import ORDERS, UNITS, VIRIAL, StressFault
from labkit.datasets.audit.stress_virials import Virials, virials
from labkit.datasets.audit.survey import Survey
from labkit.datasets.audit.volume_scan import scan_pairs, scan_ratio

LARGE, CERTAIN = 1.5, 3.0  # factor that matters, and standard errors
ROUGH = 0.8  # error of ln of a ratio, beyond which nothing follows from it
RATIO_ERROR = 0.1  # besides its own, when a unit is named
RIVAL = 0.5  # difference of -ln of likelihoods, below which two units are both named
BETTER = 0.5  # of the squared errors may remain in another order of components
SURE = 1e-3  # probability of such an order by chance


@dataclass(frozen=True)
class StressCheck:
    """What was found, and the fault by which it is repaired (or None)."""

    findings: tuple[Finding, ...] = ()
    fault: StressFault | None = None


def stress(labels: Labels, model: ForceModel, seen: Survey, energies: bool, forces: float) -> StressCheck:
    """Units, sign and order of stresses.

    energies  whether those of the set agree with its forces
    forces    the factor by which its forces become eV/Å, NaN where it is not known
    """
    dataset = labels.dataset
    periodic = np.array([a.pbc.all() and a.cell.rank == 3 for a in dataset.atoms])
    frames = np.flatnonzero(periodic & np.isfinite(dataset.stress).all((1, 2)))
    if not len(frames):
        return StressCheck()
    compared = virials(labels, model, seen, frames, energies, forces)
    order, better = _order(compared)
    scanned = scan_pairs(dataset, frames) if energies or model.weights is None else []
    ratios = []
    for unit in ("eV/Å^3", VIRIAL):
        scan = scan_ratio(dataset, scanned, divided=unit == VIRIAL)
        some = None if compared is None else compared.ratio(order, divided=unit == VIRIAL)
        ratios.append(min((r for r in (scan, some) if r is not None), key=lambda r: r.error, default=None))
    ratio, per_volume = ratios
    if ratio is None or min(r.error for r in ratios if r is not None) > ROUGH:
        text = "units and sign of stresses could not be checked"
        sure = "" if ratio is None else f"stresses are {ratio} times those from {ratio.by}: too uncertain to judge"
        return StressCheck((Finding("note", "stress", text, "", sure),))
    fault, text = _named(ratio, per_volume, order, np.array([dataset.atoms[k].cell.volume for k in frames]))
    sure = f"stresses are {ratio} times those from {ratio.by}, {ratio.pairs} numbers compared"
    if better:
        sure += f"; {better}"
    if not text:
        text = "stresses are consistent with eV/Å^3 and dE/dstrain"
        return StressCheck((Finding("note", "stress", text, "", sure, (), *ratio.measured),))
    remedy = "ds = audit(ds).repaired()" if fault else "convert stresses to eV/Å^3, +(1/V) dE/dstrain as in ASE"
    return StressCheck((Finding("problem", "stress", text, remedy, sure, (), *ratio.measured),), fault)


def _named(ratio: Ratio, per_volume: Ratio | None, order: str, volumes: np.ndarray) -> tuple[StressFault | None, str]:
    """The fault, and its words; both empty if there is none."""
    sign = -1 if ratio.value < 0 else 1
    size = abs(np.log(abs(ratio.value)))
    wrong = size > max(np.log(LARGE), CERTAIN * ratio.error)
    if not wrong:
        fault = StressFault(sign, order=order)
        return (fault, f"stresses were written {fault.words()}") if fault else (None, "")
    likely = []
    for unit, value in UNITS.items():
        off = np.log(abs(ratio.value) * value) / np.hypot(ratio.error, RATIO_ERROR)
        if unit != "eV/Å^3":
            likely.append((0.5 * off**2 + 0.2 * len(likely), ratio.error, abs(off), unit))
    if per_volume is not None:
        off = np.log(abs(per_volume.value)) / np.hypot(per_volume.error, RATIO_ERROR)
        worse = 2 * max(np.log(per_volume.error / ratio.error), 0.0) if np.ptp(volumes) > 0 else 0.0
        likely.append((0.5 * off**2 + worse, per_volume.error, abs(off), VIRIAL))
    likely = sorted(x for x in likely if x[2] < CERTAIN)
    if not likely:
        return None, f"stresses are {ratio} times as large as they should be"
    fault = StressFault(sign, likely[0][3], order)
    others = [x[3] for x in likely[1:2] if x[0] < likely[0][0] + RIVAL]
    text = f"stresses were written {fault.words(*others)}: they are {ratio} times as large as they should be"
    return (None if others else fault), text


def _order(compared: Virials | None) -> tuple[str, str]:
    """The order in which the components fit best, and how much better than Voigt's it is for those that move."""
    names = list(ORDERS)
    if compared is None:
        return names[0], ""
    misfits = np.stack([compared.misfits(name) for name in names])
    best = int(misfits.sum((1, 2)).argmin())
    moved = np.array(ORDERS[names[best]]) != np.arange(6)
    before, after = misfits[0][:, moved].sum(1), misfits[best][:, moved].sum(1)
    if not moved.any() or after.mean() > BETTER * before.mean():
        return names[0], ""
    with np.errstate(divide="ignore"):
        z, p = paired(np.log(before) - np.log(after))
    if p > SURE or len(before) < FEWEST:
        return names[0], ""
    left = after.mean() / before.mean()
    return names[best], f"errors of these components are {left:.1%} of those as they were read, z = {z:.1f}"
