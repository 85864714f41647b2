"""Energy errors against what is known of an oscillator; rates of batches."""

import math
import time

import numpy as np
import pytest
import torch
from ase import Atoms

from labkit.base import Progress, State
from labkit.engine import VelocityVerlet, simulate
from labkit.engine.throughput import throughput
from labkit.engine.timesteps import energy_errors
from labkit.errors import LabkitError, Stopped
from labkit.forcefield import ForceField, HarmonicBonds
from labkit.units import FORCE_TO_ACCELERATION

SPRING = ForceField({"bonds": HarmonicBonds([[0, 1]], k=30.0, r0=1.0)}, n_atoms=2)
STRETCH = 0.02


@pytest.fixture
def state():
    return State.from_atoms(Atoms("H2", [[0, 0, 0], [1.0 + STRETCH, 0, 0]]))


def omega(state):
    return math.sqrt(30.0 * 2 / float(state.system.masses[0]) * FORCE_TO_ACCELERATION)


def test_error_is_that_of_an_oscillator(state):
    """Verlet conserves H - (dt² ω²/8) k x², so that H wiggles as (dt² ω²/8) k A² cos² with a deviation of it over 8."""
    found = energy_errors(state, SPRING, [0.1, 0.2, 0.4], time=1000.0)
    for dt, error in found.errors.items():
        amplitude = (dt * omega(state)) ** 2 / 8 * 30.0 * STRETCH**2
        assert error == pytest.approx(1000 * amplitude / math.sqrt(8) / 2, rel=0.05)
    assert found.law()[1] == pytest.approx(2.0, abs=0.02)


def test_it_blows_up_beyond_two_over_omega(state):
    limit = 2 / omega(state)
    found = energy_errors(state, SPRING, [0.97 * limit, 1.03 * limit], time=1000.0)
    assert found.lost == [1.03 * limit]
    assert np.isfinite(found.errors[0.97 * limit])
    assert found.table["error"].isna().sum() == 1


def test_order_of_a_potential_whose_forces_are_wrong(state):
    """Forces that are no gradient of the energy: the exponent is not 2."""

    class Wrong(ForceField):
        def evaluate(self, state, **wanted):
            found = super().evaluate(state, **wanted)
            return type(found)(found.energy * 1.1, found.forces)

        def compiled(self, state):
            return None

    wrong = Wrong(dict(SPRING.terms), n_atoms=2)
    assert energy_errors(state, wrong, [0.1, 0.2, 0.4], time=200.0).law()[1] < 0.5


def test_stop_keeps_what_there_is(state):
    class Watched(Progress):
        found = None

        def update(self, step, total, result=None, **metrics):
            self.found = result

        def should_stop(self):
            time.sleep(0.001)
            return self.found is not None and len(self.found.errors) == 1

    with pytest.raises(Stopped) as stop:
        energy_errors(state, SPRING, [1.0, 0.5, 0.001], time=100.0, progress=Watched())
    assert list(stop.value.partial.errors)[0] == 1.0


def test_progress_counts_the_steps_of_all_runs(state):
    class Watched(Progress):
        seen = []

        def update(self, step, total, result=None, **metrics):
            self.seen.append((step, total, len(result.errors)))

    energy_errors(state, SPRING, [1.0, 0.5], time=100.0, progress=Watched())
    assert (100, 300, 0) in Watched.seen and (300, 300, 1) in Watched.seen and Watched.seen[-1] == (300, 300, 2)


def test_a_run_that_goes_on_reports_its_own_steps(state):
    class Watched(Progress):
        seen = []

        def update(self, step, total, **metrics):
            self.seen.append((step, total))

    state = simulate(state, SPRING, VelocityVerlet(), 30, 0.5)
    simulate(state, SPRING, VelocityVerlet(), 20, 0.5, progress=Watched())
    assert Watched.seen[-1] == (20, 20) and all(0 <= step <= 20 == total for step, total in Watched.seen)


@pytest.mark.parametrize("timesteps", [[], [0.5, -1.0], [200.0]])
def test_timesteps_that_make_no_sense(state, timesteps):
    with pytest.raises(LabkitError, match=r"timesteps are \[.*expected"):
        energy_errors(state, SPRING, timesteps, time=100.0)


def test_a_start_that_cannot_be_run_is_no_explosion(state):
    with pytest.raises(LabkitError, match="for 2 atoms, but the state has 3"):
        energy_errors(State.from_atoms(Atoms("H3", np.eye(3))), SPRING, [1.0])
    lonely = energy_errors(state, SPRING, [1.0], time=50.0)
    with pytest.raises(LabkitError, match="a slope needs two"):
        lonely.law()


def test_rate_counts_all_systems(state):
    class Slow(ForceField):
        def evaluate(self, state, **wanted):
            time.sleep(0.005)
            return super().evaluate(state, **wanted)

        def compiled(self, state):
            return None

    one = Slow(dict(SPRING.terms), n_atoms=2)
    four = Slow({"bonds": SPRING.terms["bonds"].repeated(4, 2)}, n_atoms=8)
    batch = State.from_atoms(state.to_atoms() * 4)
    assert 30 < throughput(state, one, VelocityVerlet(), 0.1) < 200
    assert 120 < throughput(batch, four, VelocityVerlet(), 0.1) < 800
    assert torch.equal(batch.positions, State.from_atoms(state.to_atoms() * 4).positions)
