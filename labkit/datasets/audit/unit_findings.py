"""Findings about signs and units of energies and forces."""

from __future__ import annotations

import numpy as np

from labkit.datasets.audit.energy_alignment import EnergyCheck
from labkit.datasets.audit.finding import Finding
from labkit.datasets.audit.force_alignment import ForceModel
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.audit.label_units import FACTOR, name_forces, name_ratio, stiffness
from labkit.datasets.pairs import find_pairs

NEAR_ONE = (1.2, 1.35)  # a ratio within this factor of 1 counts as 1: if the energies are fully explained, or less


def units(labels: Labels, model: ForceModel, energy: EnergyCheck | None) -> list[Finding]:
    """Signs and units: how stiff bonds are, and whether the energies agree with the integrated forces."""
    if model.weights is None:
        return []
    bonds = bond_stiffness(labels, model)
    stiff = float(np.median([ratio for _, ratio in bonds.values()])) if bonds else None
    shown = ", ".join(f"{kind} {k:.3g}" for kind, (k, _) in list(bonds.items())[:4])
    comparable = energy is not None and energy.alignment.is_known and energy.by != "geometry" and energy.explained > 0.5
    low, high = (energy.low, energy.high) if comparable else (1.0, 1.0)
    sure = f"force constants {shown} eV/Å^2, {stiff:.2g} times what is expected" if bonds else "no bonds to measure"
    if comparable:
        what = "the work along the path" if energy.by == "path" else "the model of the forces"
        sure += f"; labelled energies are {_about(low, high)} times those from {what}"
    if stiff is not None and stiff < 0:
        both = comparable and low > 0
        what = "energies and forces have the sign" if both else "the forces (now +dE/dR) have the sign"
        text = f"bonds push when long and pull when short: {what} flipped"
        remedy = "multiply energies and forces by -1" if both else "multiply the forces by -1: dE/dR is not a force"
        return [Finding("problem", "sign", text, remedy, sure)]
    if comparable and low < 0:
        text = "energies fall where the forces say they should rise: the energies have the wrong sign"
        if stiff is None:
            text = "energies fall where the forces say they should rise: one of the two has the wrong sign"
        return [Finding("problem", "sign", text, "multiply by -1 what is wrong", sure)]
    odd = stiff is not None and not 1 / FACTOR < stiff < FACTOR
    near = NEAR_ONE[0 if comparable and energy.explained > 0.98 else 1]
    if comparable and not low / near < 1 < high * near:
        sizes = float(np.median(labels.dataset.counts))
        named = name_ratio(low, high, sizes, stiff)
        text = f"energies and forces are not in the same units: energies change {_about(low, high)} times too much"
        text += f", as with {named}" if named else ""
        return [Finding("problem", "units", text, "convert energies to eV and forces to eV/Å", sure)]
    if odd:
        unit = name_forces(stiff)
        text = f"forces are {stiff:.3g} times as large as expected for bonds of these lengths"
        text += f", as in {unit}" if unit else ""
        text += "; energies agree with them, so both are in that unit" if comparable else ""
        return [Finding("problem", "units", text, "convert energies to eV and forces to eV/Å", sure)]
    if stiff is None and not comparable:
        return [Finding("note", "units", "units of forces and energies could not be checked", sure=sure)]
    text = (
        "energies, forces and positions are consistent with eV, eV/Å and Å" if comparable else "forces look like eV/Å"
    )
    return [Finding("note", "units", text, sure=sure)]


def _about(low: float, high: float) -> str:
    return f"{high:.4g}" if abs(high / low - 1) < 0.02 else f"{low:.3g} to {high:.3g}"


def bond_stiffness(labels: Labels, model: ForceModel) -> dict[str, tuple[float, float]]:
    """As `stiffness`, from a sample of frames with the forces that belong to them."""
    sample = model.sample[:: max(1, len(model.sample) // 100)]
    source = [labels.source(int(k), np.array([model.alignment.used_shift]))[0] for k in sample]
    both = [(int(k), j) for k, j in zip(sample, source) if j >= 0]
    if not both:
        return {}
    pairs = find_pairs([labels.dataset.atoms[k] for k, _ in both], cutoff=4.0)
    return stiffness(pairs, np.concatenate([labels.forces(j) for _, j in both]))
