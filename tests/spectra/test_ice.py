"""Spectra of ice by dynamics at a few K against the normal modes of the same models."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from polarizability.cells import SMALL, fitted, ice

import labkit.datasets
from labkit.base import State
from labkit.engine import VelocityVerlet, lbfgs, simulate
from labkit.gap import Design, GapConfig, GapModel, Soap
from labkit.polarizability import TensorDesign, TensorModel
from labkit.spectra import NormalModes, Response, normal_modes, under_verlet
from labkit.units import KB, KINETIC

COLD = 1.0  # K


@cache
def gap() -> tuple[GapModel, NormalModes]:
    soap = Soap(cutoff=3.0, n_max=4, l_max=3, n_sparse=80)
    settings = GapConfig(soap, sigma_energy=0.001, sigma_force=0.05, sigma_virial=None)
    model = Design.build(labkit.datasets.ice("train", n=50), settings).solve()
    minimum = State.from_atoms(labkit.datasets.ice("minimum").atoms[0])
    return model, normal_modes(lbfgs(minimum, model, fmax=1e-4), model)


@cache
def charges() -> TensorModel:
    return TensorDesign.build(ice()[0][:30], "born_charges", **{**SMALL, "n_sparse": 20}).solve(1e-4)


def excited(which: np.ndarray) -> State:
    """A replica for each of these modes, with the energy k_B COLD in it alone, all of it kinetic."""
    modes = gap()[1]
    moves = np.sqrt(2 * KB * COLD / KINETIC) * modes.displacements[which]
    state = State.batch([modes.state] * len(which), equal_seeds=True)
    return state.replace(velocities=torch.as_tensor(moves.reshape(-1, 3)))


def observe(which: np.ndarray, steps: int, every: int = 4, **models) -> Response:
    response = Response(**models, velocities=True, every=every)
    simulate(excited(which), gap()[0], VelocityVerlet(), steps, 0.5, observers=[response])
    return response


def test_fast_modes_have_their_frequency_and_raman_area() -> None:
    """Each in a replica of its own: 200 fs show where a single line is within a fraction of its width."""
    which = np.array([12, 25, 31])
    response = observe(which, 400, polarizability=fitted())
    modes = gap()[1]
    seen = under_verlet(modes.frequency[which], 0.5)
    density = response.density_of_states(resolution=280.0).total
    scattered = response.raman(resolution=280.0, quantum=None).parallel
    found = modes.intensities(polarizability=fitted())
    iso, aniso = found.raman_areas(COLD)
    for k, f in enumerate(seen):
        assert density.frequency[density.samples[k].argmax()] == pytest.approx(f, abs=40)  # grid 35, width 280
        area = np.trapezoid(scattered.samples[k], scattered.frequency)
        expected = (iso + 4 / 45 * aniso)[which[k]] * (f / modes.frequency[which[k]]) ** 2
        assert area == pytest.approx(expected, rel=0.12)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_modes_have_their_frequencies_and_intensities() -> None:
    """Density of states, infrared and Raman against the harmonic sticks, of modes of all kinds, one a replica."""
    modes = gap()[1]
    which = np.array([4, 5, 17, 18, 21, 24, 25, 27, 28, 30, 31, 32])
    response = observe(which, 1600, 8, polarizability=fitted(), born_charges=charges())
    density = response.density_of_states(resolution=70.0).total
    absorbed = response.infrared(resolution=70.0, temperature=COLD, volume=None)
    scattered = response.raman(resolution=70.0, quantum=None).parallel
    found = modes.intensities(polarizability=fitted(), born_charges=charges())
    iso, aniso = found.raman_areas(COLD)
    seen = under_verlet(modes.frequency, 0.5)
    for spectrum, area in ((density, None), (absorbed, found.infrared), (scattered, iso + 4 / 45 * aniso)):
        checked = 0
        for row, k in zip(spectrum.samples, which, strict=True):
            if area is not None and area[k] < 0.03 * area.max():
                continue
            checked += 1
            assert spectrum.frequency[row.argmax()] == pytest.approx(seen[k], abs=12)
            if area is not None:
                assert np.trapezoid(row, spectrum.frequency) == pytest.approx(area[k], rel=0.1)
        assert checked >= 4
