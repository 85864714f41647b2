"""The spectra of a run as they are asked for: all of them on one axis, with what harmonic theory says beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labkit.panels._spectral_run import Grown
from labkit.spectra import Intensities, Spectrum, correction
from labkit.spectra.transform import WINDOWS
from labkit.units import WAVENUMBER

FEWEST = 24  # samples before anything is shown
LONGEST = 0.7  # of the series, that correlations are followed at most: beyond, too few pairs are left


@dataclass(frozen=True)
class Asked:
    """How a series is to become a spectrum: resolution [cm⁻¹], window, quantum correction."""

    resolution: float
    window: str
    quantum: str | None


@dataclass(frozen=True, eq=False)
class Shown:
    """spectra by name; sticks by the same names: (frequency [cm⁻¹], height); what they belong to."""

    spectra: dict[str, Spectrum]
    sticks: dict[str, tuple[np.ndarray, np.ndarray]]
    resolution: float
    samples: int
    picoseconds: float


def finest(samples: int, spacing: float, window: str) -> float:
    """The finest resolution [cm⁻¹] that `samples` samples, `spacing` fs apart, can show.

    >>> round(finest(1000, 4.0, "hann"))
    12
    """
    return WINDOWS[window][1] / (WAVENUMBER * spacing * LONGEST * samples)


def shown(grown: Grown, asked: Asked) -> Shown | None:
    """Spectra of the run so far, as fine as asked for or as it allows; None while it is too short for any."""
    samples = len(grown.response.steps)
    if samples < FEWEST:
        return None
    track = grown.response.track
    resolution = max(asked.resolution, finest(samples, track.spacing, asked.window))
    how = {"resolution": resolution, "window": asked.window}
    scattered = track.raman(quantum=asked.quantum, **how)
    density = track.density_of_states(**how)
    spectra = {
        "infrared": track.infrared(quantum=asked.quantum, **how),
        "raman_isotropic": scattered.isotropic,
        "raman_anisotropic": scattered.anisotropic,
        "density_of_states": density.total,
        **{f"density_of_states_{symbol}": part for symbol, part in density.species.items()},
    }
    sticks = {} if grown.modes is None else heights(grown.modes, track.temperature, asked.quantum)
    return Shown(spectra, sticks, resolution, samples, grown.picoseconds)


def heights(modes: Intensities, temperature: float, quantum: str | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What harmonic theory says of each spectrum: areas of lines, with the same quantum correction."""
    real = modes.frequency > 1.0
    frequency = modes.frequency[real]
    factor = correction(frequency, temperature, quantum)
    iso, aniso = (area[real] * factor for area in modes.raman_areas(temperature))
    absorbed = modes.infrared[real] * factor / correction(frequency, temperature)
    found = {"infrared": absorbed, "raman_isotropic": iso, "raman_anisotropic": aniso}
    return {name: (frequency, h) for name, h in {**found, "density_of_states": np.ones_like(frequency)}.items()}
