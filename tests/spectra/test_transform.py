"""Spectral densities against direct sums, Parseval, scipy's periodogram and analytic line shapes."""

import numpy as np
import pytest
from scipy import signal

from labkit.errors import LabkitError
from labkit.spectra import density, infrared, largest_frequency, raman
from labkit.spectra.transform import WINDOWS
from labkit.units import WAVENUMBER

RANDOM = np.random.default_rng(5)


def noise(samples: int, columns: int = 1, memory: float = 0.9, seed: int = 0) -> np.ndarray:
    """An autoregressive process."""
    white = np.random.default_rng(seed).normal(size=(samples + 200, columns))
    return signal.lfilter([1], [1, -memory], white, axis=0)[200:]


@pytest.mark.parametrize("window", WINDOWS)
def test_against_a_direct_double_sum(window: str | None) -> None:
    """No Fourier transform, no matrix: the definition, term by term; two groups and three columns."""
    series, spacing, group = noise(60, 3), 2.0, np.array([0, 1, 0])
    found = density(series, group, spacing, resolution=900.0, window=window, padding=2)
    count = int(WINDOWS[window][1] / (WAVENUMBER * spacing) / 900.0)
    moved = series - series.mean(0)
    shape = {"hann": lambda u: np.cos(np.pi * u / 2) ** 2, "gaussian": lambda u: np.exp(-8 * u * u), None: lambda u: 1}
    for g in (0, 1):
        columns = np.flatnonzero(group == g)
        for k in (0, 3, len(found.frequency) - 1):
            total = 0.0
            for lag in range(-count + 1, count):
                pairs = [moved[t, c] * moved[t + abs(lag), c] for c in columns for t in range(len(series) - abs(lag))]
                weight = shape[window](abs(lag) / count) * np.cos(2 * np.pi * WAVENUMBER * found.frequency[k] * lag * 2)
                total += weight * sum(pairs) / (len(series) - abs(lag))
            assert found.values[0, g, k] == pytest.approx(2 * WAVENUMBER * spacing * total, rel=1e-9)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("padding", [1, 4])
@pytest.mark.parametrize("samples", [999, 1000])
def test_parseval(window: str | None, padding: int, samples: int) -> None:
    """The area is the mean square, whatever window, padding and resolution: it does not shift weight elsewhere."""
    series = noise(samples, 2)
    found = density(series, np.array([0, 1]), 1.5, resolution=150.0, window=window, padding=padding)
    np.testing.assert_allclose(np.trapezoid(found.values[0], found.frequency), series.var(0), rtol=1e-12)
    assert found.frequency[-1] == pytest.approx(largest_frequency(1.5))


def test_against_scipys_periodogram() -> None:
    """Of the same noise, averaged over wide bands, and against the process's analytic density."""
    series, spacing = noise(200_000)[:, 0], 2.0
    found = density(series[:, None], np.array([0]), spacing, resolution=50.0)
    f, p = signal.periodogram(series, fs=1 / spacing)
    f, p = f / WAVENUMBER, p * WAVENUMBER
    exact = 2 * WAVENUMBER * spacing / np.abs(1 - 0.9 * np.exp(-2j * np.pi * WAVENUMBER * spacing * f)) ** 2
    for low, high in ((500, 1000), (1500, 3000), (4000, 8000)):
        here, there = (found.frequency >= low) & (found.frequency < high), (f >= low) & (f < high)
        assert found.values[0, 0, here].mean() == pytest.approx(p[there].mean(), rel=0.01)
        assert found.values[0, 0, here].mean() == pytest.approx(exact[there].mean(), rel=0.03)


@pytest.mark.parametrize("window", WINDOWS)
def test_resolution_is_the_width_of_a_sharp_line(window: str | None) -> None:
    time = np.arange(40_000) * 2.0
    line = np.cos(2 * np.pi * WAVENUMBER * 1500.0 * time)[:, None]
    found = density(line, np.array([0]), 2.0, resolution=30.0, window=window, padding=16)
    high = found.frequency[found.values[0, 0] > 0.5 * found.values[0, 0].max()]
    assert np.ptp(high) == pytest.approx(found.resolution, rel=0.05)
    assert found.resolution == pytest.approx(30.0, rel=0.02)
    assert high.mean() == pytest.approx(1500, abs=1)


def test_blocks_are_trajectories() -> None:
    series = noise(4000)
    pieces = density(series, np.array([0]), 2.0, resolution=100.0, blocks=4).values
    joined = density(series.reshape(4, 1000).T, np.arange(4), 2.0, resolution=100.0).values
    np.testing.assert_allclose(pieces[:, 0], joined[0], rtol=1e-10)


def test_many_columns_in_pieces_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    series, group = noise(300, 40), np.arange(40) % 3
    whole = density(series, group, 2.0, resolution=200.0).values
    monkeypatch.setattr("labkit.spectra.transform._CHUNK", 5000)
    np.testing.assert_allclose(density(series, group, 2.0, resolution=200.0).values, whole, rtol=1e-10)


LONG = noise(400, 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: infrared(LONG[:20], 2.0, temperature=300.0, resolution=20.0), "too short: 20 samples 2 fs apart"),
        (lambda: infrared(LONG[:10], 2.0, temperature=300.0), "run longer"),
        (lambda: infrared(LONG, 2.0, temperature=300.0, resolution=200.0, blocks=9), "each of 9 blocks"),
        (lambda: infrared(LONG, 2.0, temperature=300.0, resolution=9000.0), "a finer one, up to 2085"),
        (lambda: infrared(LONG, 5.0, temperature=300.0), "up to 3336 cm⁻¹.*every 4.17 fs"),
        (lambda: infrared(LONG, 2.0, temperature=None), "the temperature is missing"),
        (lambda: infrared(LONG, 2.0, temperature=-3.0), "temperature is -3.0 K"),
        (lambda: infrared(LONG, 2.0, temperature=300.0, window="hamming"), "'hann', 'gaussian', None"),
        (lambda: infrared(LONG, 2.0, temperature=300.0, quantum="wigner"), "'harmonic', 'standard'"),
        (lambda: infrared(LONG, 2.0, temperature=300.0, volume=0.0), "None for a molecule"),
        (lambda: infrared(LONG[:, :2], 2.0, temperature=300.0), r"expected \(T, 3\) of one trajectory"),
        (lambda: infrared(np.where(LONG[7] == LONG, np.nan, LONG), 2.0, temperature=300.0), "sample 7 of trajectory 0"),
        (lambda: infrared(LONG, 0.0, temperature=300.0), "spacing is 0.0 fs"),
        (lambda: raman(noise(400, 9).reshape(-1, 3, 3), 2.0, temperature=300.0), "not symmetric"),
        (lambda: raman(np.zeros((400, 3, 3)), 2.0), "quantum=None"),
        (lambda: raman(np.zeros((400, 3, 3)), 2.0, temperature=300.0, laser=0.0), "such as 532"),
    ],
)
def test_errors_are_sentences(call, words: str) -> None:
    with pytest.raises(LabkitError, match=words):
        call()


def test_an_interval_that_misses_fast_vibrations_may_be_asked_for() -> None:
    assert infrared(LONG, 5.0, temperature=300.0, highest=3000.0).frequency[-1] == pytest.approx(3336, abs=1)
