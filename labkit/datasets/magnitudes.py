"""Units of labels, judged by size: energies against the all-electron energy, forces against those of bonds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

from labkit.units import HARTREE, KCAL_PER_MOL, KJ_PER_MOL, MEV, RYDBERG

UNITS = {"eV": 1.0, "Hartree": HARTREE, "Ry": RYDBERG, "kcal/mol": KCAL_PER_MOL, "kJ/mol": KJ_PER_MOL, "meV": MEV}
THOMAS_FERMI = 0.768745 * HARTREE  # E = -0.7687 Z^(7/3) Hartree: real atoms have 0.65 (H) to 0.95 (U) times this
BAND = (0.55, 1.1)  # all-electron energies, as fractions of it
LARGEST = 10.0  # eV/Å: rms forces of frames are smaller, except in collisions
USUAL = (0.05, 8.0)  # eV/Å


def all_electrons(numbers: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Rough all-electron energies (S,) of frames, in eV and negative: -20.9 eV Σ Z^(7/3).

    No frame of real atoms has an energy much below this; codes with pseudopotentials give only a part of it.

    >>> all_electrons(np.array([8, 1, 1]), np.array([0, 3])).round().tolist()
    [-2719.0]
    """
    of_atoms = -THOMAS_FERMI * np.asarray(numbers, float) ** (7 / 3)
    sums = np.concatenate([[0.0], np.cumsum(of_atoms)])
    return sums[offsets[1:]] - sums[offsets[:-1]]


def unit_of_total(energy: np.ndarray, limit: np.ndarray) -> str:
    """The unit in which energies (S,) match the all-electron energies `limit` (S,) eV; "" if none does."""
    known = np.isfinite(energy) & (limit < 0)
    if not known.any():
        return ""
    ratio = float(np.median(energy[known] / limit[known]))
    return next((name for name, size in UNITS.items() if BAND[0] < ratio * size < BAND[1]), "")


def suspicious(
    numbers: np.ndarray, offsets: np.ndarray, labels: Mapping[str, np.ndarray], largest: float = LARGEST
) -> list[str]:
    """Sentences on energies (S,) and forces (n, 3) that are unlikely to be in eV and eV/Å; number 0 is a bead."""
    found = []
    energy, limit = labels["energy"], all_electrons(numbers, offsets)
    with np.errstate(invalid="ignore"):
        below = np.flatnonzero((limit < 0) & (energy < 1.2 * limit))
    if len(below):
        k = below[0]
        size = offsets[k + 1] - offsets[k]
        sure = unit_of_total(energy, limit)
        units = [sure] if sure else [n for n, u in UNITS.items() if n != "eV" and energy[k] * u > BAND[1] * limit[k]]
        found.append(
            f"energies (frame {k}: {energy[k] / size:.6g} per atom) are below those of all electrons of these atoms, "
            f"about {limit[k] / size:.0f} eV/atom: they are not in eV{_perhaps(units)}"
        )
    forces = labels["forces"]
    rms = _typical_rms(forces, offsets)
    if rms > largest:
        units = [f"{n}/Å" for n, u in UNITS.items() if n != "eV" and USUAL[0] < rms * u < USUAL[1]]
        found.append(
            f"forces of {rms:.3g} (rms of a typical frame) are larger than bonds make them, some 0.1 to {largest:g} "
            f"eV/Å: are they in eV/Å{_perhaps(units) or '?'}"
        )
    return found


def _typical_rms(forces: np.ndarray, offsets: np.ndarray) -> float:
    """The median over frames of the rms force; NaN without forces."""
    if not len(forces) or not any(forces.strides):  # one repeated NaN
        return float("nan")
    squares = np.concatenate([[0.0], np.cumsum(np.nan_to_num(forces).astype(float) ** 2 @ np.ones(3) / 3)])
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        per_frame = np.sqrt(np.diff(squares[offsets]) / np.diff(offsets))
        return float(np.nanmedian(np.where(per_frame > 0, per_frame, np.nan)))


def _perhaps(units: list[str]) -> str:
    return f"; perhaps in {' or '.join(units)}" if units else ""
