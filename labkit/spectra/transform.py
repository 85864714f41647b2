"""Spectral densities of time series: windowed correlation functions, Fourier transformed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import fft

from labkit.errors import LabkitError
from labkit.units import WAVENUMBER

#: Window over lags u = τ/W from 0 to 1, and resolution times W: the width at half maximum of its transform.
WINDOWS = {
    "hann": (lambda u: 0.5 * (1 + np.cos(np.pi * u)), 1.0),
    "gaussian": (lambda u: np.exp(-8 * u**2), 8 * np.sqrt(np.log(2)) / (np.sqrt(2) * np.pi)),
    None: (np.ones_like, 0.60335),
}
_USUAL = 20.0  # cm⁻¹
_LEAST = 8  # lags
_CHUNK = 4_000_000  # numbers that are transformed at once: 32 MB


class Density(NamedTuple):
    """frequency (K,) cm⁻¹, values (..., K), resolution cm⁻¹."""

    frequency: np.ndarray
    values: np.ndarray
    resolution: float


class Lags(NamedTuple):
    """The length of a piece that counts as one sample, the lags kept of its correlations, their resolution."""

    length: int
    count: int
    resolution: float


def plan(
    samples: int, spacing: float, resolution: float | None, window: str | None, highest: float, blocks: int
) -> Lags:
    """How long correlations are followed; raises LabkitError if the series cannot resolve what was requested."""
    if window not in WINDOWS:
        raise LabkitError(f"window is {window!r}; expected {', '.join(map(repr, WINDOWS))}")
    if not (np.isfinite(spacing) and spacing > 0):
        raise LabkitError(f"spacing is {spacing!r} fs; expected the time between two samples, such as 2.0")
    if (largest := largest_frequency(spacing)) < highest:
        raise LabkitError(
            f"samples {spacing:g} fs apart show frequencies up to {largest:.0f} cm⁻¹; anything faster, up to the "
            f"highest={highest:g} cm⁻¹ expected here, would appear at the wrong place: sample every "
            f"{0.5 / (WAVENUMBER * highest):.3g} fs or more often, or set highest= to that of the fastest vibration"
        )
    if int(blocks) != blocks or blocks < 1:
        raise LabkitError(f"blocks is {blocks!r}; expected a whole number from 1")
    length = samples // int(blocks)
    width = WINDOWS[window][1] / (WAVENUMBER * spacing)  # lags for a resolution of 1 cm⁻¹
    if resolution is not None and not resolution > 0:
        raise LabkitError(f"resolution is {resolution!r} cm⁻¹; expected a positive number such as 20")
    if resolution is None:
        count = min(max(_LEAST, int(width / _USUAL)), length // 2)
    elif (count := int(width / resolution)) < _LEAST:
        raise LabkitError(
            f"a resolution of {resolution:g} cm⁻¹ leaves {count} lags of {spacing:g} fs, which is too few; ask for a "
            f"finer one, up to {width / _LEAST:.0f} cm⁻¹"
        )
    if count < _LEAST or count >= length:
        piece = "the trajectory" if blocks == 1 else f"each of {blocks} blocks"
        raise LabkitError(
            f"{piece} is too short: {length} samples {spacing:g} fs apart, but a resolution of "
            f"{width / max(count, _LEAST):.4g} cm⁻¹ needs more than {max(count, 2 * _LEAST)}; run longer, or ask for a "
            "coarser resolution"
        )
    return Lags(length, count, width / count)


def largest_frequency(spacing: float) -> float:
    """Nyquist's frequency, 1/(2 c spacing), cm⁻¹, for samples `spacing` fs apart.

    >>> round(largest_frequency(4.0))
    4170
    """
    return 0.5 / (WAVENUMBER * spacing)


def density(
    columns: np.ndarray,
    group: np.ndarray,
    spacing: float,
    *,
    centred: bool = True,
    resolution: float | None = None,
    window: str | None = "hann",
    padding: int = 4,
    highest: float = 4000.0,
    blocks: int = 1,
) -> Density:
    """One-sided spectral densities of series (T, C), summed over the columns of each group, (blocks, groups, K).

    s(ν) = 2c ∫ w(τ) Σ_c <x_c(0) x_c(τ)> e^(-2πi cντ) dτ, so that its integral (trapezoids) is Σ_c <x_c²>.

    columns     C series of T samples, `spacing` [fs] apart; with `centred` minus their means
    group       (C,) from 0, the sum that a column belongs to
    resolution  cm⁻¹, width at half maximum of a sharp line; it needs correlations over W = 1/(c resolution) (Hann).
                None: 20, or that of correlations over half of the trajectory
    window      w over |τ| < W: 'hann', 'gaussian' (a wider line without dips beside it) or None (cut off)
    padding     with zeros: 2·padding points of the axis per resolution
    highest     cm⁻¹, the fastest vibration expected, which the spacing must resolve
    blocks      pieces that each trajectory is cut into, which then count as trajectories

    Means over time origins are unbiased, T - k pairs at lag k. Raises LabkitError for series that are too short,
    too sparse or not finite. Source: Blackman and Tukey, Bell Syst. Tech. J. 37, 185 (1958).
    """
    lags = plan(len(columns), spacing, resolution, window, highest, blocks)
    groups = int(group.max()) + 1
    found = np.stack(
        [
            correlations(columns[k * lags.length : (k + 1) * lags.length], group, groups, lags.count, centred)
            for k in range(int(blocks))
        ]
    )
    size = 2 * fft.next_fast_len(lags.count * max(1, int(padding)), real=True)
    even = np.zeros((*found.shape[:2], size))
    even[..., : lags.count] = found * WINDOWS[window][0](np.arange(lags.count) / lags.count)
    even[..., size - lags.count + 1 :] = even[..., lags.count - 1 : 0 : -1]
    frequency = fft.rfftfreq(size, spacing) / WAVENUMBER
    return Density(frequency, 2 * WAVENUMBER * spacing * fft.rfft(even).real, lags.resolution)


def correlations(series: np.ndarray, group: np.ndarray, groups: int, lags: int, centred: bool) -> np.ndarray:
    """Σ_c <x_c(t) x_c(t + k)> over the columns of each group, (groups, lags), by Fourier transforms."""
    length = len(series)
    size = fft.next_fast_len(length + lags, real=True)
    power = np.zeros((size // 2 + 1, groups))
    chunk = max(1, _CHUNK // size)
    for begin in range(0, series.shape[1], chunk):
        part = np.asarray(series[:, begin : begin + chunk], dtype=float)
        part = part - part.mean(0) if centred else part
        found = fft.rfft(part, size, axis=0)
        member = group[begin : begin + chunk, None] == np.arange(groups)
        power += (found.real**2 + found.imag**2) @ member
    return fft.irfft(power, size, axis=0)[:lags].T / (length - np.arange(lags))
