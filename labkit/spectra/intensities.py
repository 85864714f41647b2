"""Harmonic infrared and Raman intensities of normal modes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.errors import LabkitError
from labkit.units import COULOMB, KB, KINETIC, KM_PER_MOL, LIGHT, WAVENUMBER


@dataclass(frozen=True, eq=False)
class Intensities:
    """Harmonic intensities of K modes: stick spectra to compare with those from trajectories.

    frequency       (K,) cm⁻¹
    dipole          dM/dQ (K, 3) e u^-½, or None
    polarizability  dα/dQ (K, 3, 3) Å^2 u^-½, or None

    Source of the intensities: Wilson, Decius, Cross, Molecular Vibrations (1955), chapters 7 and 3.
    """

    frequency: np.ndarray
    dipole: np.ndarray | None = None
    polarizability: np.ndarray | None = None

    @property
    def infrared(self) -> np.ndarray:
        """N_A π |dM/dQ|² / (3 c² · 4π ε0), km/mol (K,): the area of the mode in an infrared spectrum."""
        if self.dipole is None:
            raise LabkitError("no dipole derivatives; give born_charges= to intensities")
        strength = np.square(self.dipole).sum(1)
        return np.pi * COULOMB * KM_PER_MOL / (3 * KINETIC * LIGHT**2) * strength

    @property
    def isotropic(self) -> np.ndarray:
        """a'², a' = tr dα/dQ / 3, Å^4/u (K,)."""
        return (np.trace(self._change, axis1=1, axis2=2) / 3) ** 2

    @property
    def anisotropic(self) -> np.ndarray:
        """γ'² = 3/2 tr β' β' of the traceless part, Å^4/u (K,)."""
        square = np.square(self._change).sum((1, 2))
        return 1.5 * (square - 3 * self.isotropic)

    @property
    def activity(self) -> np.ndarray:
        """Raman activity 45 a'² + 7 γ'², Å^4/u (K,)."""
        return 45 * self.isotropic + 7 * self.anisotropic

    @property
    def depolarization(self) -> np.ndarray:
        """3 γ'² / (45 a'² + 4 γ'²), (K,)."""
        total = 45 * self.isotropic + 4 * self.anisotropic
        return 3 * self.anisotropic / np.where(total > 0, total, np.nan)

    def raman_areas(self, temperature: float) -> tuple[np.ndarray, np.ndarray]:
        """Areas k_BT/ω² (a'², γ'²) of the modes in isotropic and anisotropic classical spectra, Å^6 (K,)."""
        omega = 2 * np.pi * WAVENUMBER * self.frequency
        swing = np.where(omega > 0, KB * temperature / (KINETIC * np.where(omega > 0, omega, 1) ** 2), np.nan)
        return self.isotropic * swing, self.anisotropic * swing

    def to_frame(self) -> pd.DataFrame:
        """A table of the modes: frequency [cm⁻¹], infrared [km/mol], activity [Å^4/u], depolarization."""
        columns = {"frequency": self.frequency}
        if self.dipole is not None:
            columns["infrared"] = self.infrared
        if self.polarizability is not None:
            columns |= {"activity": self.activity, "depolarization": self.depolarization}
        return pd.DataFrame(columns)

    @property
    def _change(self) -> np.ndarray:
        if self.polarizability is None:
            raise LabkitError("no derivatives of the polarizability; give polarizability= to intensities")
        return self.polarizability
