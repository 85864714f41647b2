"""Findings about signs and units of energies and forces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from labkit.datasets.audit.energy_alignment import EnergyCheck
from labkit.datasets.audit.finding import Finding
from labkit.datasets.audit.force_alignment import ForceModel
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.audit.label_units import DOUBTFUL, likely_units
from labkit.datasets.audit.ratio import Ratio
from labkit.datasets.audit.stiffness import BADGER_ERROR, stiffness
from labkit.datasets.pairs import find_pairs

LARGE = 1.25  # factor by which a ratio differs from 1 before it is worth a finding
ROUGH = 0.45  # error of ln of a ratio, beyond which nothing follows from it


class UnitCheck(NamedTuple):
    """What was found, and the factor by which forces become eV/Å, or NaN where it is not known."""

    findings: list[Finding]
    forces: float = 1.0


def units(labels: Labels, model: ForceModel, energy: EnergyCheck | None) -> UnitCheck:
    """Signs and units: how stiff bonds are, and whether the energies agree with the integrated forces."""
    bonds = bond_stiffness(labels, model) if model.weights is not None else {}
    stiff = float(np.median([ratio for _, ratio in bonds.values()])) if bonds else None
    ratio = None if energy is None or energy.ratio is None or energy.ratio.error > ROUGH else energy.ratio
    sure = _sure(bonds, stiff, ratio)
    if found := _sign(stiff, ratio, sure) or _unit(labels, stiff, ratio, sure):
        return found
    if stiff is None and ratio is None:
        return UnitCheck([Finding("note", "units", "units of forces and energies could not be checked", sure=sure)])
    text = "energies, forces and positions are consistent with eV, eV/Å and Å" if ratio else "forces look like eV/Å"
    return UnitCheck([Finding("note", "units", text, "", sure, (), *_number(stiff, ratio))])


def _number(stiff: float | None, ratio: Ratio | None) -> tuple[float | None, float | None]:
    """The ratio of energies to forces, or without it the stiffness over that expected; and the standard error."""
    if ratio is not None:
        return ratio.measured
    return (None, None) if stiff is None else (stiff, abs(stiff) * BADGER_ERROR)


def _sure(bonds: dict[str, tuple[float, float]], stiff: float | None, ratio: Ratio | None) -> str:
    shown = ", ".join(f"{kind} {k:.3g}" for kind, (k, _) in list(bonds.items())[:4])
    known = f"known within a factor {np.exp(BADGER_ERROR):.1f}"
    sure = (
        f"force constants {shown} eV/Å^2, {stiff:.2g} times what is expected ({known})"
        if bonds
        else "no bonds to measure"
    )
    if ratio is None:
        return sure
    what = "the model of the forces" if ratio.by == "model" else f"the work of the forces between frames ({ratio.by})"
    times = "per atom are " if ratio.per_atom else "are "
    return f"{sure}; labelled energies {times}{ratio} times those from {what}, {ratio.pairs} compared"


def _sign(stiff: float | None, ratio: Ratio | None, sure: str) -> UnitCheck | None:
    if stiff is not None and stiff < -np.exp(-DOUBTFUL * BADGER_ERROR):
        both = ratio is not None and ratio.value > 0
        what = "energies and forces have the sign" if both else "the forces (now +dE/dR) have the sign"
        text = f"bonds push when long and pull when short: {what} flipped"
        remedy = "multiply energies and forces by -1" if both else "multiply the forces by -1: dE/dR is not a force"
        return UnitCheck([Finding("problem", "sign", text, remedy, sure, (), *_number(stiff, ratio))], -1.0)
    if ratio is None or ratio.value > 0:
        return None
    text = "energies fall where the forces say they should rise: "
    text += "one of the two has the wrong sign" if stiff is None else "the energies have the wrong sign"
    remedy = "multiply the energies by -1" if stiff is not None else "multiply the wrong one of the two by -1"
    found = Finding("problem", "sign", text, remedy, sure, (), *ratio.measured)
    return UnitCheck([found], np.nan if stiff is None else 1.0)


def _unit(labels: Labels, stiff: float | None, ratio: Ratio | None, sure: str) -> UnitCheck | None:
    """Energies that do not agree with forces, or bonds much too stiff or too soft: by more than the errors of both."""
    size = 0.0 if ratio is None else abs(np.log(ratio.value))
    apart = ratio is not None and (ratio.per_atom or size > max(np.log(LARGE), DOUBTFUL * ratio.error))
    odd = stiff is not None and abs(np.log(abs(stiff))) > DOUBTFUL * BADGER_ERROR
    if not apart and not odd:
        return None
    likely = likely_units(ratio, stiff, float(np.median(labels.dataset.counts)))
    named = " or ".join(x.name for x in likely)
    if apart:
        text = f"energies and forces are not in the same units: energies change {ratio} times as much as the forces say"
    else:
        text = f"forces are {stiff:.3g} times as large as expected for bonds of these lengths"
        text += f" (known within a factor {np.exp(BADGER_ERROR):.1f})"
        text += f"; energies agree with them ({ratio} times), so both are in that unit" if ratio else ""
    text += f", as with {named}" if named else ""
    known = len({x.forces for x in likely}) == 1
    remedy = "convert energies to eV and forces to eV/Å"
    found = Finding("problem", "units", text, remedy, sure, (), *_number(stiff, ratio if apart else None))
    return UnitCheck([found], likely[0].forces if known else np.nan)


def bond_stiffness(labels: Labels, model: ForceModel) -> dict[str, tuple[float, float]]:
    """As `stiffness`, from a sample of frames with the forces that belong to them."""
    sample = model.sample[:: max(1, len(model.sample) // 100)]
    source = [labels.source(int(k), np.array([model.alignment.used_shift]))[0] for k in sample]
    both = [(int(k), j) for k, j in zip(sample, source) if j >= 0]
    if not both:
        return {}
    pairs = find_pairs([labels.dataset.atoms[k] for k, _ in both], cutoff=4.0)
    return stiffness(pairs, np.concatenate([labels.forces(j) for _, j in both]))
