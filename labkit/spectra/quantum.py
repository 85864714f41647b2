"""Quantum corrections of classical spectra: factors that depend on the frequency."""

from __future__ import annotations

import numpy as np

from labkit.errors import LabkitError
from labkit.units import HBAR, KB, WAVENUMBER

_NAMES = ("harmonic", "standard", "schofield", None)


def correction(frequency: np.ndarray, temperature: float | None, kind: str | None = "harmonic") -> np.ndarray:
    """Q(ν), which turns a classical correlation spectrum into S(ω) = ∫ <A(0) A(t)> e^(-iωt) dt, ω > 0.

    With x = ħω/k_BT, ω = 2πcν:

    harmonic   x / (1 - e^(-x)), exact for a harmonic oscillator and a linear A
    standard   2 / (1 + e^(-x)), taking the classical correlation function as the real part of the quantum one
    schofield  e^(x/2)
    None       1

    All but None obey detailed balance. frequency (K,) cm⁻¹, temperature K.
    Raises LabkitError for a temperature that is missing or not positive, and an unknown kind.
    Source: Ramírez, López-Ciudad, Kumar, Marx, J. Chem. Phys. 121, 3973 (2004).

    >>> correction(np.array([0.0, 208.51, 3500.0]), 300.0).round(2).tolist()
    [1.0, 1.58, 16.79]
    """
    if kind not in _NAMES:
        raise LabkitError(f"quantum is {kind!r}; expected one of {', '.join(map(repr, _NAMES))}")
    if kind is None:
        return np.ones_like(frequency)
    x = reduced(frequency, temperature)
    if kind == "standard":
        return 2 / (1 + np.exp(-x))
    if kind == "schofield":
        return np.exp(0.5 * x)
    return np.where(x > 0, x / np.where(x > 0, -np.expm1(-x), 1.0), 1.0)


def reduced(frequency: np.ndarray, temperature: float | None) -> np.ndarray:
    """ħω/k_BT of wavenumbers [cm⁻¹]."""
    if temperature is None:
        raise LabkitError(
            "the temperature is missing: give temperature= of the trajectories in K (for Raman, quantum=None also "
            "works, for the classical spectrum)"
        )
    if not (np.isfinite(temperature) and temperature > 0):
        raise LabkitError(f"temperature is {temperature!r} K; expected a positive number")
    return 2 * np.pi * WAVENUMBER * HBAR / (KB * temperature) * frequency
