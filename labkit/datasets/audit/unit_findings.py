"""Findings about signs and units of energies and forces."""

from __future__ import annotations

import numpy as np

from labkit.datasets.audit.energy_alignment import EnergyCheck
from labkit.datasets.audit.energy_ratio import Ratio
from labkit.datasets.audit.finding import Finding
from labkit.datasets.audit.force_alignment import ForceModel
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.audit.label_units import BADGER_ERROR, DOUBTFUL, name_forces, name_ratio, stiffness
from labkit.datasets.pairs import find_pairs

LARGE = 1.25  # factor by which a ratio differs from 1 before it is worth a finding
ROUGH = 0.45  # error of ln of a ratio, beyond which nothing follows from it


def units(labels: Labels, model: ForceModel, energy: EnergyCheck | None) -> list[Finding]:
    """Signs and units: how stiff bonds are, and whether the energies agree with the integrated forces."""
    bonds = bond_stiffness(labels, model) if model.weights is not None else {}
    stiff = float(np.median([ratio for _, ratio in bonds.values()])) if bonds else None
    ratio = None if energy is None or energy.ratio is None or energy.ratio.error > ROUGH else energy.ratio
    sure = _sure(bonds, stiff, ratio)
    if found := _sign(stiff, ratio, sure) or _ratio(labels, stiff, ratio, sure) or _stiffness(stiff, ratio, sure):
        return [found]
    if stiff is None and ratio is None:
        return [Finding("note", "units", "units of forces and energies could not be checked", sure=sure)]
    text = "energies, forces and positions are consistent with eV, eV/Å and Å" if ratio else "forces look like eV/Å"
    return [Finding("note", "units", text, sure=sure)]


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


def _sign(stiff: float | None, ratio: Ratio | None, sure: str) -> Finding | None:
    if stiff is not None and stiff < -np.exp(-DOUBTFUL * BADGER_ERROR):
        both = ratio is not None and ratio.value > 0
        what = "energies and forces have the sign" if both else "the forces (now +dE/dR) have the sign"
        text = f"bonds push when long and pull when short: {what} flipped"
        remedy = "multiply energies and forces by -1" if both else "multiply the forces by -1: dE/dR is not a force"
        return Finding("problem", "sign", text, remedy, sure)
    if ratio is None or ratio.value > 0:
        return None
    text = "energies fall where the forces say they should rise: "
    text += "one of the two has the wrong sign" if stiff is None else "the energies have the wrong sign"
    return Finding("problem", "sign", text, "multiply by -1 what is wrong", sure)


def _ratio(labels: Labels, stiff: float | None, ratio: Ratio | None, sure: str) -> Finding | None:
    """Energies and forces that do not agree, by more than the error of their ratio and by a factor that matters."""
    if ratio is None or not (ratio.per_atom or abs(np.log(ratio.value)) > max(np.log(LARGE), DOUBTFUL * ratio.error)):
        return None
    named = name_ratio(ratio, float(np.median(labels.dataset.counts)), stiff)
    text = f"energies and forces are not in the same units: energies change {ratio} times as much as the forces say"
    text += f", as with {named}" if named else ""
    return Finding("problem", "units", text, "convert energies to eV and forces to eV/Å", sure)


def _stiffness(stiff: float | None, ratio: Ratio | None, sure: str) -> Finding | None:
    """Bonds much too stiff or too soft."""
    if stiff is None or abs(np.log(abs(stiff))) < DOUBTFUL * BADGER_ERROR:
        return None
    unit = name_forces(abs(stiff), agree=ratio is not None)
    text = f"forces are {stiff:.3g} times as large as expected for bonds of these lengths"
    text += f" (known within a factor {np.exp(BADGER_ERROR):.1f})"
    text += f", as in {unit}" if unit else ""
    text += f"; energies agree with them ({ratio} times), so both are in that unit" if ratio else ""
    return Finding("problem", "units", text, "convert energies to eV and forces to eV/Å", sure)


def bond_stiffness(labels: Labels, model: ForceModel) -> dict[str, tuple[float, float]]:
    """As `stiffness`, from a sample of frames with the forces that belong to them."""
    sample = model.sample[:: max(1, len(model.sample) // 100)]
    source = [labels.source(int(k), np.array([model.alignment.used_shift]))[0] for k in sample]
    both = [(int(k), j) for k, j in zip(sample, source) if j >= 0]
    if not both:
        return {}
    pairs = find_pairs([labels.dataset.atoms[k] for k, _ in both], cutoff=4.0)
    return stiffness(pairs, np.concatenate([labels.forces(j) for _, j in both]))
