"""The spectra of a run on one axis, with the harmonic lines of its minimum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labkit.spectra import Intensities, Spectrum, correction
from labkit.spectra.spectra_run import SpectraRun
from labkit.spectra.transform import WINDOWS
from labkit.units import WAVENUMBER

FEWEST = 24  # samples that a spectrum needs
LOWEST = 1.0  # cm⁻¹, of a mode that has a harmonic line: softer and imaginary ones are no vibrations
LONGEST = 0.7  # of the series: longest lag of a correlation function; beyond it too few pairs are left


@dataclass(frozen=True)
class SpectrumOptions:
    """How a time series becomes a spectrum: resolution [cm⁻¹], window, quantum correction."""

    resolution: float
    window: str
    quantum: str | None


@dataclass(frozen=True, eq=False)
class SpectraSet:
    """All spectra of a run by name, and harmonic lines by the same names: (frequency [cm⁻¹], height)."""

    spectra: dict[str, Spectrum]
    sticks: dict[str, tuple[np.ndarray, np.ndarray]]
    resolution: float
    samples: int
    picoseconds: float


def finest_resolution(samples: int, spacing: float, window: str) -> float:
    """The finest resolution [cm⁻¹] that `samples` samples, `spacing` fs apart, can show.

    >>> round(finest_resolution(1000, 4.0, "hann"))
    12
    """
    return WINDOWS[window][1] / (WAVENUMBER * spacing * LONGEST * samples)


def spectra_of(run: SpectraRun, options: SpectrumOptions) -> SpectraSet | None:
    """Spectra of the run so far, at the resolution requested or the finest possible; None while it is too short."""
    samples = len(run.response.steps)
    if samples < FEWEST:
        return None
    track = run.response.track
    resolution = max(options.resolution, finest_resolution(samples, track.spacing, options.window))
    how = {"resolution": resolution, "window": options.window}
    spectra = {}
    if track.current is not None:
        spectra["infrared"] = track.infrared(quantum=options.quantum, **how)
    if track.polarizability is not None:
        scattered = track.raman(quantum=options.quantum, **how)
        spectra |= {"raman_isotropic": scattered.isotropic, "raman_anisotropic": scattered.anisotropic}
    density = track.density_of_states(**how)
    spectra["density_of_states"] = density.total
    spectra |= {f"density_of_states_{symbol}": part for symbol, part in density.species.items()}
    sticks = {} if run.modes is None else harmonic_lines(run.modes, track.temperature, options.quantum)
    return SpectraSet(spectra, sticks, resolution, samples, run.picoseconds)


def harmonic_lines(
    modes: Intensities, temperature: float, quantum: str | None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Areas of the harmonic lines of each spectrum there are models for, with the same quantum correction."""
    real = modes.frequency > LOWEST
    frequency = modes.frequency[real]
    factor = correction(frequency, temperature, quantum)
    found = {"density_of_states": np.ones_like(frequency)}
    if modes.dipole is not None:
        found["infrared"] = modes.infrared[real] * factor / correction(frequency, temperature)
    if modes.polarizability is not None:
        for name, area in zip(("raman_isotropic", "raman_anisotropic"), modes.raman_areas(temperature), strict=True):
            found[name] = area[real] * factor
    return {name: (frequency, height) for name, height in found.items()}
