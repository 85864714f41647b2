"""Errors of spectra against the scatter of independent ones; peaks, files, quantum corrections."""

import numpy as np
import pandas as pd
import pytest
from scipy import signal

from labkit.errors import LabkitError
from labkit.spectra import Spectrum, correction, infrared, raman
from labkit.units import HBAR, KB, WAVENUMBER


def oscillators(samples: int, count: int, seed: int) -> np.ndarray:
    """(samples, count) of a damped oscillator at 1500 cm⁻¹ in noise, 3 fs apart."""
    turn, keep = 2 * np.pi * WAVENUMBER * 1500 * 3.0, 0.97
    white = np.random.default_rng(seed).normal(size=(samples + 400, count))
    return signal.lfilter([1], [1, -2 * keep * np.cos(turn), keep**2], white, axis=0)[400:]


def test_errors_are_the_scatter_of_independent_sets() -> None:
    """200 sets of 6 trajectories: the error each of them states, against how far they are from one another."""
    sets, copies = 200, 6
    series = oscillators(400, sets * copies * 3, 1).reshape(400, sets * copies, 3)
    every = infrared(series, 3.0, temperature=300.0, resolution=100.0)
    found = [Spectrum("", "", every.frequency, part, None, 100.0) for part in np.split(every.samples, sets)]
    peak = np.abs(every.frequency - 1500) < 150
    scatter = np.std([s.intensity[peak] for s in found], axis=0, ddof=1)
    stated = np.sqrt(np.mean([s.error[peak] ** 2 for s in found], axis=0))
    np.testing.assert_allclose(stated, scatter, rtol=0.15)
    assert np.mean(stated / scatter) == pytest.approx(1, abs=0.06)
    areas = [s.integral(1300, 1700) for s in found]
    stated_area = np.sqrt(np.mean([s.integral_error(1300, 1700) ** 2 for s in found]))
    assert stated_area == pytest.approx(np.std(areas, ddof=1), rel=0.12)


def test_errors_of_ratios_are_the_scatter_of_independent_sets() -> None:
    sets, copies = 100, 8
    x, y = (oscillators(300, sets * copies, seed) for seed in (2, 3))
    alpha = x[..., None, None] * np.eye(3) + 0.3 * y[..., None, None] * np.diag([1.0, 1.0, -2.0])
    ratios, errors = [], []
    for part in np.split(alpha, sets, axis=1):
        found = raman(part, 3.0, quantum=None, resolution=150.0).depolarization
        k = int(np.abs(found.frequency - 1500).argmin())
        ratios.append(found.intensity[k])
        errors.append(found.error[k])
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(ratios, ddof=1), rel=0.2)
    gamma = 1.5 * 0.3**2 * 6
    assert np.mean(ratios) == pytest.approx(3 * gamma / (45 + 4 * gamma), abs=3 * np.std(ratios) / np.sqrt(sets))


def test_spread_of_a_committee_stands_apart_from_that_of_trajectories() -> None:
    """Members that differ by a factor differ by its square; the mean of the members is what is shown."""
    current, factors = oscillators(600, 12, 4).reshape(600, 4, 3), np.array([0.9, 1.0, 1.2])
    one = infrared(current, 3.0, temperature=300.0, resolution=100.0)
    found = infrared(factors[:, None, None, None] * current, 3.0, temperature=300.0, resolution=100.0)
    np.testing.assert_allclose(found.intensity, one.intensity * factors.mean() ** 2, rtol=1e-9)
    np.testing.assert_allclose(found.error, one.error * factors.mean() ** 2, rtol=1e-9)
    expected = np.abs(one.intensity) * np.std(factors**2, ddof=1)
    np.testing.assert_allclose(found.error_models, expected, atol=1e-9 * expected.max())
    np.testing.assert_allclose(found.error_total, np.hypot(found.error, found.error_models), rtol=1e-12)
    assert one.error_models is None and infrared(current[:, 0], 3.0, temperature=300.0).error is None


def test_peaks_lie_between_the_points_of_the_axis() -> None:
    time = np.arange(3000) * 2.0
    current = sum(a * np.cos(2 * np.pi * WAVENUMBER * f * time) for f, a in ((1003.7, 1.0), (2501.3, 0.5)))
    found = infrared(current[:, None] * [1, 0, 0], 2.0, temperature=300.0, resolution=40.0)
    np.testing.assert_allclose(found.peaks().frequency, [1003.7, 2501.3], atol=0.5)
    assert len(found.peaks(low=2000)) == 1 and found.frequency[1] > 3
    assert found.integral(900, 1100) / found.integral(2400, 2600) == pytest.approx(4, rel=0.02)


def test_pooled_trajectories_are_those_of_one_batch() -> None:
    current = oscillators(500, 15, 5).reshape(500, 5, 3)
    options = {"temperature": 300.0, "resolution": 100.0}
    whole = infrared(current, 3.0, **options)
    parts = Spectrum.pooled([infrared(current[:, k], 3.0, **options) for k in (slice(0, 2), slice(2, 5))])
    np.testing.assert_allclose(parts.intensity, whole.intensity, rtol=1e-10)
    np.testing.assert_allclose(parts.error, whole.error, rtol=1e-9)
    with pytest.raises(LabkitError, match="cannot be pooled"):
        Spectrum.pooled([whole, infrared(current, 3.0, temperature=300.0, resolution=150.0)])


def test_csv_holds_the_spectrum_whole_or_not_at_all(tmp_path) -> None:
    found = infrared(oscillators(500, 6, 6).reshape(500, 2, 3), 3.0, temperature=300.0, volume=50.0)
    found.to_csv(tmp_path / "infrared.csv")
    first, *_ = (tmp_path / "infrared.csv").read_text().splitlines()
    assert first.startswith("# infrared [cm⁻¹], resolution 44.48") and first.endswith("2 trajectories")
    table = pd.read_csv(tmp_path / "infrared.csv", comment="#", index_col=0)
    np.testing.assert_allclose(table["intensity"], found.intensity, rtol=1e-8)
    assert list(table.columns) == ["intensity", "error", "error_total"]
    with pytest.raises(LabkitError, match="could not be written"):
        found.to_csv(tmp_path / "nowhere" / "infrared.csv")


@pytest.mark.parametrize("kind", ["harmonic", "standard", "schofield"])
def test_corrections_obey_detailed_balance(kind: str) -> None:
    """S(ω) = e^(βħω) S(-ω) of a symmetric classical spectrum, and no correction where ħω is small."""
    frequency = np.array([1e-3, 100.0, 1000.0, 4000.0])
    x = HBAR * 2 * np.pi * WAVENUMBER * frequency / (KB * 300)
    backwards = {"harmonic": -x / (1 - np.exp(x)), "standard": 2 / (1 + np.exp(x)), "schofield": np.exp(-x / 2)}[kind]
    found = correction(frequency, 300.0, kind)
    np.testing.assert_allclose(found, np.exp(x) * backwards, rtol=1e-9)
    assert found[0] == pytest.approx(1, abs=1e-5) and found[-1] > 1.9


def test_infrared_with_other_corrections() -> None:
    """The factor tanh(x/2)/(x/2) of 'standard', (1 - e^-x)/x without: the absorption formula has 1 - e^-x in it."""
    current = oscillators(500, 3, 7).reshape(500, 3)
    plain, standard, none = (
        infrared(current, 3.0, temperature=300.0, quantum=kind) for kind in ("harmonic", "standard", None)
    )
    k = 40
    x = HBAR * 2 * np.pi * WAVENUMBER * plain.frequency[k] / (KB * 300)
    assert standard.intensity[k] / plain.intensity[k] == pytest.approx(np.tanh(x / 2) / (x / 2))
    assert none.intensity[k] / plain.intensity[k] == pytest.approx((1 - np.exp(-x)) / x)


def test_the_laser_weakens_what_is_scattered_far_from_it() -> None:
    alpha = oscillators(500, 1, 8)[..., None] * np.eye(3)
    plain, seen = (raman(alpha, 3.0, quantum=None, laser=laser).isotropic for laser in (None, 532.0))
    k = int(np.abs(plain.frequency - 1500).argmin())
    expected = (1 - plain.frequency[k] / (1e7 / 532)) ** 4
    assert seen.intensity[k] / plain.intensity[k] == pytest.approx(expected)
