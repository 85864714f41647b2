"""Energies of isolated atoms, which are subtracted before a GAP is fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase.data import chemical_symbols

from labkit.errors import LabkitError
from labkit.gap.config import GapConfig

if TYPE_CHECKING:
    from labkit.datasets import Dataset


def fit_e0(train: Dataset, config: GapConfig) -> dict[str, float]:
    """e0 [eV] by symbol: as given; 'isolated': from frames of one atom; 'average': least squares of the energies.

    Where the compositions cannot distinguish the species (as in pure water), 'average' assigns every species the mean
    energy per atom, as gap_fit does.

    Raises LabkitError for a species without e0.
    """
    symbols = [chemical_symbols[z] for z in train.species]
    if config.e0 is not None:
        missing = [s for s in symbols if s not in config.e0]
        if missing:
            raise LabkitError(f"e0 has no value for {missing[0]}, which {train.name} contains; add it, or leave e0 out")
        return {s: config.e0[s] for s in symbols}
    if config.e0_method == "isolated":
        return _isolated(train, symbols)
    known = np.isfinite(train.energy)
    if not known.any():
        return dict.fromkeys(symbols, 0.0)
    numbers = [train.atoms[k].numbers for k in np.flatnonzero(known)]
    counts = np.array([[(n == z).sum() for z in train.species] for n in numbers], float)
    energies = train.energy[known]
    if np.linalg.matrix_rank(counts) < len(symbols):
        return dict.fromkeys(symbols, float((energies / counts.sum(1)).mean()))
    return dict(zip(symbols, np.linalg.lstsq(counts, energies, rcond=None)[0].tolist(), strict=True))


def _isolated(train: Dataset, symbols: list[str]) -> dict[str, float]:
    found = {
        atoms.get_chemical_symbols()[0]: float(energy)
        for atoms, energy in zip(train.atoms, train.energy, strict=True)
        if len(atoms) == 1 and np.isfinite(energy)
    }
    missing = [s for s in symbols if s not in found]
    if missing:
        raise LabkitError(
            f"e0_method is 'isolated', but {train.name} has no labelled frame of one {missing[0]} atom; "
            "add one, give e0={...}, or use e0_method='average'"
        )
    return {s: found[s] for s in symbols}
