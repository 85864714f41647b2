"""The total energy of water at constant energy: its slope, and step by step beside OpenMM's velocity Verlet."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("openmm")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def load(name: str):
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
    return module


@pytest.fixture(scope="module")
def drift():
    return load("energy_drift")


@pytest.mark.parametrize(("rigid", "dt"), [(False, 0.5), (True, 2.0)])
def test_total_energies_are_openmm_s(drift, rigid, dt) -> None:
    """Not only the slope: what the timestep does to the energy is the same at each moment, until chaos sets in."""
    start = drift.equilibrated(rigid, molecules=27, picoseconds=0.5)
    steps = 100 if rigid else 150
    ours = drift.with_labkit(start, dt, steps * dt / 1000)[:-1]
    theirs = drift.with_openmm(start, dt, steps * dt / 1000)
    assert len(ours) == len(theirs) == steps // drift.EVERY
    wander = np.ptp(theirs)
    assert wander > 1e-3 and np.abs((ours - ours[0]) - (theirs - theirs[0])).max() < 0.02 * wander
    rate, error = drift.slope(ours, dt, start.free, blocks=10)
    assert abs(rate) < 10 + 4 * error and error < 5


def test_a_slope_and_its_error(drift) -> None:
    random = np.random.default_rng(1)
    kt = drift.KB * drift.KELVIN
    time = np.arange(2000) * drift.EVERY * 0.5e-6  # ns
    noise = 1e-3 * random.normal(size=(40, 2000))
    found = np.array([drift.slope(kt * 100 * (0.7 * time + n), 0.5, 100) for n in noise])
    assert found[:, 0].mean() == pytest.approx(0.7, abs=4 * found[:, 0].std() / 40**0.5)
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.4)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("rigid", "dt"), [(False, 0.5), (False, 0.25), (True, 1.0), (True, 2.0)])
def test_slopes_beside_openmm_s(drift, rigid, dt) -> None:
    found = drift.measured(rigid, dt, picoseconds=5.0)
    error = np.hypot(found.labkit_error, found.openmm_error)
    assert abs(found.labkit - found.openmm) < 4 * error + 0.1
    assert error < 1.0


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_density_of_rigid_water_is_openmm_s(tmp_path) -> None:
    """Within 1 % at 1 bar and 300 K; densities are written as they come, see benchmarks/water_density.py."""
    density = load("water_density")
    (theirs, wide), (ours, spread) = (
        density.mean_and_error(density.blocks(run(216, 120.0, tmp_path)))
        for run in (density.with_openmm, density.with_labkit)
    )
    assert np.hypot(wide, spread) < 0.005 and ours == pytest.approx(theirs, rel=0.01)
