"""A harmonic system moved by the engine against its analytic spectra: positions and areas of every mode."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from spectra.toys import DEBYE, FREQUENCIES, TEMPERATURE, TEXTBOOK, Charges, Linear, charges, harmonic, start

from labkit.base import Vocabulary
from labkit.engine import VelocityVerlet, simulate
from labkit.spectra import Response, Spectrum, density_of_states, normal_modes, under_verlet
from labkit.units import HBAR, KB, KINETIC, WAVENUMBER

DT = 0.5
OMEGA = 2 * np.pi * WAVENUMBER * FREQUENCIES
SEEN = under_verlet(FREQUENCIES, DT)
#: of position amplitudes squared, by velocity Verlet
SWELL = 1 / (1 - (OMEGA * DT / 2) ** 2)


@cache
def response() -> Response:
    potential = harmonic()
    watch = Response(polarizability=Linear(potential), born_charges=Charges(), velocities=True, every=4)
    simulate(start(potential, 6, DT), potential, VelocityVerlet(), 4500, DT, observers=[watch])
    return watch


def slopes() -> tuple[np.ndarray, np.ndarray]:
    """dM/dQ (K, 3) and dα/dQ (K, 3, 3) of the toy, from its own modes."""
    moves = harmonic().vectors / np.sqrt(harmonic().atoms.get_masses())[:, None]
    dipole = np.einsum("iab,kib->ka", charges().numpy(), moves)
    return dipole, np.einsum("kic,icab->kab", moves, Linear(harmonic()).slope.numpy())


def areas(spectrum: Spectrum) -> np.ndarray:
    return np.array([spectrum.integral(f - 100, f + 100) for f in SEEN])


def check_positions(spectrum: Spectrum, area: np.ndarray | None = None) -> None:
    """Of all modes, or those with more than 2 % of the largest area."""
    wanted = SEEN if area is None else SEEN[area > 0.02 * area.max()]
    found = spectrum.peaks(prominence=1e-3).frequency.to_numpy()
    nearest = np.abs(found[:, None] - wanted).min(0)
    assert len(wanted) >= 4
    assert nearest.max() < 2.0 < 0.1 * spectrum.resolution


def test_density_of_states_of_beads_goes_by_their_types() -> None:
    system = start(harmonic(), 1, DT).system
    beads = replace(
        system, numbers=torch.zeros_like(system.numbers), masses=system.masses,
        types=(system.numbers == 1).long(), vocabulary=Vocabulary(("CA", "CB")),
    )  # fmt: skip
    velocities = np.random.default_rng(0).normal(size=(400, system.n_atoms, 3))
    one, other = (density_of_states(velocities, s, 1.0, resolution=400.0).species for s in (system, beads))
    assert set(other) == {"CA", "CB"}
    np.testing.assert_allclose(one["H"].intensity, other["CB"].intensity, rtol=1e-12)


def test_density_of_states() -> None:
    """One a mode (equipartition), 3N - 3 in all, species add up; the same with k_BT given."""
    found = response().density_of_states(resolution=40.0)
    check_positions(found.total)
    assert found.total.integral() == pytest.approx(9, rel=1e-12)
    np.testing.assert_allclose(areas(found.total), 1, atol=0.03)
    parts = sum(s.intensity for s in found.species.values())
    np.testing.assert_allclose(parts, found.total.intensity, atol=1e-12 * parts.max())
    given = response().density_of_states(resolution=40.0, temperature=TEMPERATURE)
    assert given.total.integral() == pytest.approx(9, rel=0.01)
    share = np.square(harmonic().vectors[:, 1:3]).sum((1, 2))  # of hydrogen in each mode
    np.testing.assert_allclose(areas(found.species["H"]), share, atol=0.03)


def test_infrared_areas_are_those_of_textbooks() -> None:
    """As km/mol of each mode by the constant that other programs use, and as n α of the cell."""
    strength = np.square(DEBYE * slopes()[0]).sum(1) * TEXTBOOK  # km/mol
    found = response().infrared(resolution=40.0, volume=None)
    assert found.unit == "km/mol cm"
    check_positions(found)
    np.testing.assert_allclose(areas(found), strength, rtol=0.03, atol=0.01 * strength.max())
    assert found.integral() == pytest.approx(strength.sum(), rel=0.01)
    dense = response().infrared(resolution=40.0)
    assert dense.unit == "cm⁻¹"
    per_cm = 1e5 / 6.02214076e23 / (5 * 6 * 7 * 1e-24)  # km/mol of a cell of 210 Å^3
    np.testing.assert_allclose(dense.intensity, found.intensity * per_cm, rtol=1e-7)


def test_normal_modes_and_sticks_are_the_analytic_ones() -> None:
    modes = normal_modes(start(harmonic(), 1, DT).replace(positions=harmonic().rest), harmonic())
    np.testing.assert_allclose(modes.frequency, FREQUENCIES, rtol=1e-6)
    overlap = np.abs(np.einsum("kna,kna->k", modes.vectors, harmonic().vectors))
    np.testing.assert_allclose(overlap, 1, atol=1e-6)
    found = modes.intensities(polarizability=Linear(harmonic()), born_charges=Charges())
    dipole, change = slopes()
    np.testing.assert_allclose(found.infrared, np.square(DEBYE * dipole).sum(1) * TEXTBOOK, rtol=1e-4)
    xx, yy, zz, xy, yz, zx = change.reshape(-1, 9)[:, [0, 4, 8, 1, 5, 6]].T
    gamma = 0.5 * ((xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2) + 3 * (xy**2 + yz**2 + zx**2)
    np.testing.assert_allclose(found.isotropic, ((xx + yy + zz) / 3) ** 2, rtol=1e-5)
    np.testing.assert_allclose(found.anisotropic, gamma, rtol=1e-5)
    np.testing.assert_allclose(found.activity, 5 * (xx + yy + zz) ** 2 + 7 * gamma, rtol=1e-5)


def test_raman_areas() -> None:
    """Classical ones k_BT/ω², and with the harmonic correction those of quantum mechanics, ħ(n + 1)/ω."""
    modes = normal_modes(start(harmonic(), 1, DT).replace(positions=harmonic().rest), harmonic())
    expected = modes.intensities(polarizability=Linear(harmonic())).raman_areas(TEMPERATURE)
    classical = response().raman(resolution=40.0, quantum=None)
    occupation = 1 / np.expm1(HBAR * OMEGA / (KB * TEMPERATURE))
    bose = HBAR * (occupation + 1) / (OMEGA * KINETIC) / (KB * TEMPERATURE / (OMEGA**2 * KINETIC))
    full = response().raman(resolution=40.0, temperature=TEMPERATURE)
    pairs = ((classical.isotropic, full.isotropic), (classical.anisotropic, full.anisotropic))
    for area, (plain, corrected) in zip(expected, pairs, strict=True):
        check_positions(plain, area)
        low = 0.004 * area.max()  # feet of the large low modes
        np.testing.assert_allclose(areas(plain), area * SWELL, rtol=0.03, atol=low)
        np.testing.assert_allclose(areas(corrected)[2:], (area * SWELL * bose)[2:], rtol=0.04, atol=low)


def test_depolarization_ratios() -> None:
    modes = normal_modes(start(harmonic(), 1, DT).replace(positions=harmonic().rest), harmonic())
    expected = modes.intensities(polarizability=Linear(harmonic())).depolarization
    found = response().raman(resolution=40.0, quantum=None)
    strong = found.parallel.intensity.max() * 0.01
    checked = 0
    for f, ratio in zip(SEEN, expected, strict=True):
        k = int(np.abs(found.parallel.frequency - f).argmin())
        if found.parallel.intensity[k] > strong:
            assert found.depolarization.intensity[k] == pytest.approx(ratio, abs=0.02)
            checked += 1
    assert checked >= 5
    total = found.parallel.intensity + found.perpendicular.intensity
    np.testing.assert_allclose(found.unpolarized.intensity, total, rtol=1e-9)
