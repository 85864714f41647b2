"""Raman scattering from the polarizability along trajectories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.errors import LabkitError
from labkit.spectra.quantum import correction
from labkit.spectra.series import members_first, scaled, spectrum
from labkit.spectra.spectrum import Spectrum

_VISIBLE = 1e-3  # of the highest intensity; below this, a ratio of intensities is noise


@dataclass(frozen=True, eq=False)
class Raman:
    """Both invariants of the scattering, and the spectra measured with polarizers (90°, or along the beam).

    isotropic    of a = tr α / 3, Å^6 cm
    anisotropic  of γ² = 3/2 tr β β = ½[(xx-yy)² + (yy-zz)² + (zz-xx)²] + 3[xy² + yz² + zx²], β = α - a·1, Å^6 cm

    Conventions with 1/10 tr β β or 2/15 tr β β for the anisotropic part are `perpendicular` and 4/3 of it here.
    """

    isotropic: Spectrum
    anisotropic: Spectrum

    @property
    def parallel(self) -> Spectrum:
        """VV: a² + 4/45 γ²."""
        return self._mixed("Raman, parallel", lambda a, g: a + 4 / 45 * g)

    @property
    def perpendicular(self) -> Spectrum:
        """VH: 3/45 γ²."""
        return self._mixed("Raman, perpendicular", lambda a, g: 3 / 45 * g)

    @property
    def unpolarized(self) -> Spectrum:
        """Both together: (45 a² + 7 γ²)/45."""
        return self._mixed("Raman", lambda a, g: a + 7 / 45 * g)

    @property
    def depolarization(self) -> Spectrum:
        """Perpendicular over parallel, 3 γ² / (45 a² + 4 γ²): from 0 to 3/4; nan where nothing scatters."""
        top = _VISIBLE * self.parallel.intensity.max()

        def ratio(a: np.ndarray, g: np.ndarray) -> np.ndarray:
            parallel = a + 4 / 45 * g
            return 3 / 45 * g / np.where(parallel > top, parallel, np.nan)

        return self.isotropic.combined("depolarization ratio", "1", ratio, self.anisotropic)

    def _mixed(self, name: str, function: Any) -> Spectrum:
        return self.isotropic.combined(name, self.isotropic.unit, function, self.anisotropic)


def raman(
    polarizability: Any,
    spacing: float,
    *,
    temperature: float | None = None,
    quantum: str | None = "harmonic",
    laser: float | None = None,
    **options: Any,
) -> Raman:
    """Isotropic and anisotropic Raman spectra from autocorrelations of the polarizability along NVE trajectories.

        S_iso(ν) = 2c Q(ν) ∫ <a(0) a(t)> e^(-iωt) dt,    S_aniso(ν) = 2c Q(ν) ∫ 3/2 <tr β(0) β(t)> e^(-iωt) dt

    of a = tr α/3 and β = α - a·1 minus their means over time. Classically a harmonic mode has the area
    (da/dQ)² k_BT/ω²; with the harmonic Q it is (da/dQ)² ħ/ω (n + 1), n the Bose number: twice the Stokes side of S(ω).

    polarizability  Å^3: (T, 3, 3) of one trajectory, (T, R, 3, 3) of R, or (M, T, R, 3, 3) from a committee of M models
    spacing         fs between samples
    temperature     K; not needed with quantum=None
    quantum         correction of the classical spectrum, see `correction`
    laser           nm: multiplies by (1 - ν/ν_laser)^4, the ω^4 of the scattered light over that of the laser
    options         resolution, window, padding, highest, blocks of `labkit.spectra.density`

    Raises LabkitError as `infrared` does, and for polarizabilities that are not symmetric.
    Source: Long, The Raman Effect (2002), chapter 5; Thomas et al., Phys. Chem. Chem. Phys. 15, 6608 (2013).

    >>> time = np.arange(4000) * 1.0
    >>> breathing = (10 + np.sin(2 * np.pi * time / 33.356))[:, None, None] * np.eye(3)
    >>> found = raman(breathing, 1.0, temperature=300.0)
    >>> round(float(found.isotropic.peaks().frequency[0])), round(found.anisotropic.integral(), 6)
    (1000, 0.0)
    """
    values = members_first(polarizability, 2, "polarizability")
    values = values.reshape(*values.shape[:3], 3, 3)
    if not np.allclose(values, values.swapaxes(-1, -2), rtol=1e-3, atol=1e-3 * np.abs(values).max()):
        raise LabkitError("the polarizability is not symmetric; Raman spectra without resonance need a symmetric one")
    mean = np.trace(values, axis1=-2, axis2=-1)[..., None] / 3
    rest = np.sqrt(1.5) * (values - mean[..., None] * np.eye(3))
    iso = spectrum(mean, spacing, "Raman, isotropic", "Å^6 cm", **options)
    aniso = spectrum(rest.reshape(*rest.shape[:3], 9), spacing, "Raman, anisotropic", "Å^6 cm", **options)
    factor = correction(iso.frequency, temperature, quantum)
    if laser is not None:
        if not laser > 0:
            raise LabkitError(f"laser is {laser!r} nm; expected a wavelength such as 532")
        factor = factor * np.clip(1 - iso.frequency * laser * 1e-7, 0, None) ** 4
    return Raman(scaled(iso, factor), scaled(aniso, factor))
