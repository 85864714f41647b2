"""Expected answers of notebook 06_spectra."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from labkit.errors import LabkitError
from labkit.exercises.catalogue import exercise
from labkit.exercises.expected import Expected
from labkit.spectra import Spectrum

LIGHT, HEAVY, HIGHEST = 2500.0, 1800.0, 4000.0  # cm⁻¹: lower ends of the O-H and the O-D stretch, upper end of both


@exercise("06.1", "Where the O–H bonds absorb", unit="cm⁻¹")
def stretch(infrared: Spectrum) -> Expected:
    """The highest maximum above 2500 cm⁻¹."""
    peaks = infrared.peaks(low=LIGHT, high=HIGHEST).sort_values("intensity")
    if not len(peaks):
        raise LabkitError(f"{infrared.name} has no maximum above {LIGHT:g} cm⁻¹; give panel.spectra['infrared']")
    right = float(peaks["frequency"].iloc[-1])
    mistakes = {
        float(peaks["intensity"].iloc[-1]): "That is the intensity; give the wavenumber.",
        1e7 / right: "That is the wavelength in nm.",
    }
    why = "Measured in ice: about 3220 cm⁻¹. PBE makes hydrogen bonds too strong, and thus O–H bonds too soft."
    return Expected(right, abs=max(30.0, 0.3 * infrared.resolution), mistakes=mistakes, why=why)


@exercise("06.3", "Heavy water")
def isotope(light: Spectrum, heavy: Spectrum) -> Expected:
    """Centre of the O-D stretch divided by that of the O-H stretch."""
    below, above = centre(heavy, HEAVY), centre(light, LIGHT)
    right = below / above
    if not 0.6 < right < 0.85:
        raise LabkitError(
            f"the stretch of `heavy` lies at {below:.0f} cm⁻¹, that of `light` at {above:.0f}; expected densities of "
            "states with D and with H in the place of hydrogen"
        )
    mistakes = {
        1 / right: "Upside down: heavy over light.",
        0.5: "A frequency goes as the inverse square root of the mass.",
        below: "That is the centre with deuterium; divide it by that with hydrogen.",
        above - below: "That is the difference; give the ratio.",
    }
    why = "√(μ_OH/μ_OD) = 0.73: nearly 1/√2, since the oxygen moves a little, too. No forces had to be computed again."
    return Expected(right, abs=0.015, mistakes=mistakes, why=why)


@exercise("06.5", "A dipole that jumps", unit="e Å")
def jump(start: Atoms) -> Expected:
    """The length of the cell along z, times one charge."""
    right = float(start.cell[2, 2])
    mistakes = {
        float(start.cell[0, 0]): "That is the edge along x; the proton leaves through the face above.",
        0.0: "The atoms move smoothly, but the sum counts the proton at the other end of the cell.",
        right / 2: "From the upper face to the lower one: the whole length of the cell.",
    }
    why = "It comes only from the choice of images. The current depends on charges and velocities, and has no jump."
    return Expected(right, rel=0.01, mistakes=mistakes, why=why)


def centre(spectrum: Spectrum, low: float) -> float:
    """Mean wavenumber of the spectrum above `low` cm⁻¹."""
    inside = (spectrum.frequency > low) & (spectrum.frequency < HIGHEST)
    return float(np.average(spectrum.frequency[inside], weights=spectrum.intensity[inside]))
