"""Dynamics under a guard: right temperature, reproducible, and ended with step and pair when a rule breaks."""

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

from labkit.datasets import ice
from labkit.errors import LabkitError, Stopped
from tools.ice import Dynamics, Guard, GuardError


class Collapse(Calculator):
    """Pulls atoms 0 and 3 together, all else stays."""

    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        forces = np.zeros((len(atoms), 3))
        along = atoms.get_distance(0, 3, mic=True, vector=True)
        forces[0], forces[3] = along, -along
        self.results = {"energy": 0.0, "forces": forces}


def copper():
    return bulk("Cu", cubic=True) * (2, 2, 1)


def test_samples_and_their_spacing():
    dynamics = Dynamics(equilibration=20, spacing=5, samples=4, timestep=2.0)
    frames = dynamics.run(copper(), EMT(), trajectory=7, seed=3)
    assert [frame.info for frame in frames] == [{"trajectory": 7, "sample": i} for i in range(4)]
    assert all(frame.calc is None and not frame.constraints for frame in frames)
    again = dynamics.run(copper(), EMT(), trajectory=7, seed=3)
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(frames, again, strict=True))
    other = dynamics.run(copper(), EMT(), trajectory=8, seed=3)
    assert not np.array_equal(frames[0].positions, other[0].positions)


def test_spread_is_that_of_the_temperature():
    """Mean potential energy above the minimum is close to 3/2 (N - 1) kT in a nearly harmonic crystal."""
    start = bulk("Cu", cubic=True)
    start.calc = EMT()
    lowest = start.get_potential_energy()
    dynamics = Dynamics(temperature=100, timestep=4, friction=0.01, equilibration=800, spacing=120, samples=50)
    energies = []
    for frame in dynamics.run(start, EMT(), seed=1):
        frame.calc = EMT()
        energies.append(frame.get_potential_energy() - lowest)
    expected = 1.5 * 3 * 8.617e-5 * 100
    assert np.mean(energies) == pytest.approx(expected, rel=0.25)


def test_shipped_dynamics_never_broke_the_guard():
    guard = Guard.water()
    for name in ("train", "valid", "minimum"):
        assert not any(guard.broken(atoms) for atoms in ice(name).atoms[::5])


@pytest.mark.parametrize(
    "mover, by, message",
    [
        (0, 0.4, "O 0 and O"),
        (1, -0.4, "H 1 has its nearest O at 1.4"),
    ],
)
def test_guard_names_the_pair(mover, by, message):
    atoms = ice("minimum").atoms[0]
    target = 3 if mover == 0 else 0
    vector = atoms.get_distance(mover, target, mic=True, vector=True)
    atoms.positions[mover] += vector * by
    assert message in Guard.water().broken(atoms)


def test_guard_sees_periodic_images_and_lost_atoms():
    atoms = ice("minimum").atoms[0]
    atoms.positions += atoms.cell[0] * 3 + atoms.cell[2]
    assert Guard.water().broken(atoms) is None
    lone = molecule("H2O")
    lone.positions[1] += 10
    assert "H 1 has its nearest O beyond 2.5 Å" in Guard.water().broken(lone)


def test_collapse_is_stopped_at_step_and_pair():
    dynamics = Dynamics(guard=Guard(closest={("O", "O"): 2.3}), equilibration=0, spacing=2, samples=500)
    with pytest.raises(GuardError, match=r"trajectory 0, step \d+ .*O 0 and O 3 are .* samples were taken") as caught:
        dynamics.run(ice("minimum").atoms[0], Collapse())
    assert caught.value.step > 0 and len(caught.value.frames) > 1
    assert [dynamics.guard.broken(frame) for frame in caught.value.frames] == [None] * len(caught.value.frames)


def test_centre_of_mass_rests():
    start = copper()
    centre = start.get_center_of_mass()
    for frame in Dynamics(equilibration=50, spacing=50, samples=3, timestep=2).run(start, EMT(), seed=2):
        np.testing.assert_allclose(frame.get_center_of_mass(), centre, atol=1e-9)


def test_stop_and_bad_settings():
    class Stop:
        calls = 0

        def update(self, step, total, **metrics):
            self.calls += 1

        def should_stop(self):
            return self.calls > 3

    with pytest.raises(Stopped) as stopped:
        Dynamics(equilibration=0, spacing=5).run(copper(), EMT(), progress=Stop())
    assert len(stopped.value.partial) >= 1
    with pytest.raises(LabkitError, match="above 0"):
        Dynamics(timestep=0).run(copper(), EMT())
