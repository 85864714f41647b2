"""Calibration: a known power law is found; sizes, batches and few frames."""

import numpy as np
import pytest
import torch

from labkit.active import GpVariance, Spread, calibrate
from labkit.active.calibration.power_law import power_law
from labkit.base import Evaluation, State
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap import Design, GapModel


@pytest.fixture(scope="module")
def model(design: Design) -> GapModel:
    return design.solve(sigma_energy=0.001, sigma_force=0.05)


@pytest.mark.parametrize(("scale", "exponent"), [(3.0, 1.0), (0.2, 0.7), (20.0, 1.8)])
def test_a_known_law_is_found(scale: float, exponent: float) -> None:
    random = np.random.default_rng(1)
    spreads = np.exp(random.normal(-5, 1.5, 4000))
    a, b = power_law(random.normal(size=4000) * scale * spreads**exponent, spreads)
    assert b == pytest.approx(exponent, abs=0.03)
    assert a * np.exp(-5 * b) == pytest.approx(scale * np.exp(-5 * exponent), rel=0.05)


def test_equal_spreads_leave_the_exponent() -> None:
    a, b = power_law(np.array([0.1, -0.1, 0.1, -0.1]), np.full(4, 0.02))
    assert (a, b) == (pytest.approx(5.0, rel=1e-3), pytest.approx(1.0, abs=1e-3))


def test_exact_frames_and_no_spread_stay_finite() -> None:
    assert np.isfinite(power_law(np.zeros(5), np.zeros(5))).all()


def test_errors_have_the_size_of_the_calibrated_spread(model: GapModel, valid: Dataset) -> None:
    calibrated = calibrate(GpVariance(model), model, valid)
    spread = calibrated(valid.state())
    errors = model.evaluate(valid.state()).energy.numpy() - valid.energy
    assert np.mean((errors / spread.per_system.numpy()) ** 2) == pytest.approx(1.0, rel=1e-3)
    assert spread.calibrated and (spread.unit_per_system, spread.unit_per_atom) == ("eV", "eV")
    raw = GpVariance(model)(valid.state())
    ratio = (spread.per_atom / raw.per_atom).reshape(len(valid), 12)
    torch.testing.assert_close(ratio, ratio[:, :1].expand(-1, 12))  # the order within a system stays


def test_is_extensive_where_the_spread_is(model: GapModel, valid: Dataset) -> None:
    calibrated, atoms = calibrate(GpVariance(model), model, valid), valid.atoms[0]
    once, twice = calibrated(State.from_atoms([atoms, atoms * (1, 1, 2)])).per_system
    torch.testing.assert_close(twice, 2 * once, rtol=1e-3, atol=1e-6)


def test_errors_in_words(model: GapModel, valid: Dataset) -> None:
    with pytest.raises(LabkitError, match="3 frames have an energy; calibration needs at least 4"):
        calibrate(GpVariance(model), model, valid[:3])

    def distance(state: State, evaluation: Evaluation | None = None) -> Spread:
        return Spread(torch.ones(state.system.n_systems), "")

    with pytest.raises(LabkitError, match="the uncertainty is in no unit; expected energies in eV"):
        calibrate(distance, model, valid)
