"""Infrared absorption from the current along trajectories."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.errors import LabkitError
from labkit.spectra.quantum import correction
from labkit.spectra.series import members_first, scaled, spectrum
from labkit.spectra.spectrum import Spectrum
from labkit.units import COULOMB, KB, KM_PER_MOL, LIGHT

_TO_CM = 1e16  # ∫σ dν [Å] over a volume [Å^3], per cm⁻¹, in cm⁻¹


def infrared(
    current: Any,
    spacing: float,
    *,
    temperature: float | None,
    volume: float | None = None,
    quantum: str | None = "harmonic",
    **options: Any,
) -> Spectrum:
    """Absorption coefficient times refractive index from the current J = Σ_i Z*_i v_i = dM/dt of a cell.

        n(ω) α(ω) = π ω (1 - e^(-βħω)) / (3 ε0 c ħ V) · Q(ω) · S_M(ω),   S_M = 1/2π ∫ <M(0)·M(t)> e^(-iωt) dt

    With the harmonic correction Q = βħω / (1 - e^(-βħω)) and ω² S_M = S_J all ħ cancel:

        n α = β / (6 ε0 c V) · ∫ <J(0)·J(t)> e^(-iωt) dt,      ∫ n α dν = π / (3 c² V · 4π ε0) Σ_modes |dM/dQ|²

    The current needs no dipole, which in a periodic cell is known only up to a quantum. Other corrections (see
    `correction`) multiply by Q/Q_harmonic; None leaves the classical M in the quantum formula.

    current      e Å/fs: (T, 3) of one trajectory, (T, R, 3) of R, or (M, T, R, 3) from a committee of M models
    spacing      fs between samples
    temperature  K
    volume       Å^3 of the cell: the result is n α in cm⁻¹. None: the cross section n σ of the cell or molecule in
                 km/mol cm, whose integral is an absorption in km/mol
    options      resolution, window, padding, highest, blocks of `labkit.spectra.density`

    Raises LabkitError for series that are too short, too sparse or not finite, and without a temperature.
    Sources: McQuarrie, Statistical Mechanics (1976), chapter 21; Thomas, Brehm, Fligg, Vöhringer, Kirchner, Phys.
    Chem. Chem. Phys. 15, 6608 (2013).

    >>> time = np.arange(4000) * 1.0  # an oscillating charge: 1000 cm⁻¹ is one turn in 33.356 fs
    >>> current = np.sin(2 * np.pi * time / 33.356)[:, None] * [0, 0, 1e-2]
    >>> line = infrared(current, 1.0, temperature=300.0, volume=100.0)
    >>> round(float(line.peaks().frequency[0])), line.unit
    (1000, 'cm⁻¹')
    """
    if volume is not None and not (np.isfinite(volume) and volume > 0):
        raise LabkitError(f"volume is {volume!r} Å^3; expected that of a periodic cell, or None for a molecule")
    found = spectrum(members_first(current, 1, "current"), spacing, "infrared", "e² Å²/fs² cm", **options)
    ratio = correction(found.frequency, temperature, quantum) / correction(found.frequency, temperature)
    per_cell = np.pi * COULOMB / (3 * KB * temperature * LIGHT**2) * ratio
    if volume is None:
        return scaled(found, per_cell * KM_PER_MOL, "km/mol cm")
    return scaled(found, per_cell * _TO_CM / volume, "cm⁻¹")
