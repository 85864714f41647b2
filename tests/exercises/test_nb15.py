"""Exercises of notebook 15: what is right, from the definition, and sentences for what is nearly so."""

import math

import pytest
import torch

from labkit.exercises.nb15 import (
    RADIUS,
    THERMAL,
    VISCOSITY,
    approach,
    push,
    shortest,
    size,
    squeezed,
    without_drift,
)
from labkit.mobility import Estimate, RotnePragerYamakawa, WallRotnePragerYamakawa
from labkit.mobility.examples import AboveWall, cloud

ONE = 1 / (6 * math.pi * VISCOSITY * RADIUS)


def test_the_radius_from_an_estimate():
    found = size(Estimate(torch.tensor([ONE, 0.5 * ONE, 0.2 * ONE]), torch.zeros(3), 10))
    assert (
        found.right(10.0) and not found.right(10.2) and "diameter" in found.mistake(20.0) and "nm" in found.mistake(1.0)
    )


def test_the_shortest_lag():
    """Diffusion by Stokes and Einstein in SI units: k_BT/(6πηa) = 2.585e-10 m²/s."""
    diffusion = 1.380649e-23 * 300 / (6 * math.pi * 0.85e-3 * 1e-9)
    found = shortest()
    assert found.right(1e12 * 100 * (0.3e-10) ** 2 / diffusion) and "fs" in found.mistake(348e3)


def test_two_that_come_together():
    """RPY at 3a: 1 - (3/2)/3 + (1/3)³."""
    found = approach(RotnePragerYamakawa(RADIUS, VISCOSITY))
    assert found.value == pytest.approx(1 - 0.5 + 1 / 27) and "together" in found.mistake(1 + 0.5 - 1 / 27)


def test_what_a_push_is_worth():
    errors = torch.tensor([0.01, 0.04, 0.03]), torch.tensor([0.01, 0.02, 0.03])
    found = push(Estimate(errors[0], errors[0], 100), Estimate(errors[1], errors[1], 200))
    assert found.value == pytest.approx(2.0) and "pairs differ" in found.mistake(4.0)


def test_where_points_break_and_what_a_walk_without_drift_finds():
    found = squeezed(cloud(50, 80.0, 24.0))
    assert 0.3 < found.value < 1.0 and "still positive" in found.mistake(round(found.value + 0.05, 2))
    above = AboveWall(THERMAL / 5, 4 * THERMAL, 2.5, RADIUS)
    found = without_drift(above, WallRotnePragerYamakawa(RADIUS, VISCOSITY))
    z, density = above.boltzmann(THERMAL, 70.0)
    exact = float(torch.trapezoid(z * density, z))
    assert found.value < exact - 0.5 and "Boltzmann" in found.mistake(exact)
