"""Energies of isolated atoms, which are subtracted before a GAP is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ase.data import chemical_symbols

from labkit.datasets.e0 import average_e0, isolated_e0
from labkit.errors import LabkitError
from labkit.gap.config import GapConfig
from labkit.gap.lexer import as_real

if TYPE_CHECKING:
    from labkit.datasets import Dataset


def fit_e0(train: Dataset, config: GapConfig) -> dict[str, float]:
    """e0 [eV] by symbol: as given; 'isolated': from frames of one atom; 'average': least squares of the energies.

    gap_fit's e0_offset is added to all.

    Where the compositions cannot distinguish the species (as in pure water), 'average' assigns every species the mean
    energy per atom, as gap_fit does.

    Raises LabkitError for a species without e0.
    """
    symbols = [chemical_symbols[z] for z in train.species]
    offset = as_real(config.parameter("e0_offset")) or 0.0
    if offset:
        plain = config.replace(other={k: v for k, v in config.other.items() if k != "e0_offset"})
        return {symbol: value + offset for symbol, value in fit_e0(train, plain).items()}
    if config.e0 is not None and not isinstance(config.e0, Mapping):
        return dict.fromkeys(symbols, config.e0)
    if config.e0 is not None:
        missing = [s for s in symbols if s not in config.e0]
        if missing:
            raise LabkitError(f"e0 has no value for {missing[0]}, which {train.name} contains; add it, or leave e0 out")
        return {s: config.e0[s] for s in symbols}
    if config.e0_method == "isolated":
        return isolated_e0(train, symbols, "add one, give e0={...}, or use e0_method='average'")
    return average_e0(train)
