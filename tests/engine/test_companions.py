"""What a system does never depends on its companions: alone, in a batch, and after others were taken out."""

from dataclasses import replace

import pytest
import torch
from ase import Atoms
from ase.build import bulk

openmm = pytest.importorskip("openmm")
pytest.importorskip("numba")

from forcefield import systems  # noqa: E402

from labkit.base import State  # noqa: E402
from labkit.config import config  # noqa: E402
from labkit.engine import CellRescaling, Csvr, Langevin, VelocityVerlet, maxwell_boltzmann, simulate  # noqa: E402
from labkit.forcefield import ForceField, examples, from_openmm, state_from_openmm  # noqa: E402
from labkit.forcefield.fast import born, pairs  # noqa: E402
from labkit.mobility import Brownian, RotnePragerYamakawa  # noqa: E402
from tests.engine.toys import LennardJones  # noqa: E402

TEMPERATURES = torch.tensor([250.0, 400.0, 300.0])


def waters() -> list[tuple[ForceField, State]]:
    boxes = [examples.water(count, cutoff=4.9) for count in (34, 90, 60)]
    return [(box.forcefield.pairs_in(torch.float32), box.state) for box in boxes]


def by_mesh() -> list[tuple[ForceField, State]]:
    system, topology, positions = systems.solvated_dipeptide("pme")
    one, state = from_openmm(system), state_from_openmm(topology, positions, system)
    return [(one, state)] * 3


def implicit() -> list[tuple[ForceField, State]]:
    from openmm import app, unit

    cut = dict(nonbondedMethod=app.CutoffNonPeriodic, nonbondedCutoff=0.8 * unit.nanometer)
    system, topology, positions = systems.implicit_dipeptide("gbn2", **cut)
    return [(from_openmm(system), state_from_openmm(topology, positions, system))] * 3


def large_implicit() -> list[tuple[ForceField, State]]:
    """So many pairs that threads would divide them."""
    system, topology, positions = systems.implicit_protein()
    return [(from_openmm(system), state_from_openmm(topology, positions, system))] * 3


def integrator_of(place: list[int]) -> Langevin:
    return Langevin(TEMPERATURES[place], friction=0.02)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("make", "steps"), [(waters, 500), (by_mesh, 30), (implicit, 200), (large_implicit, 6)])
def test_compiled_to_the_bit(make, steps, threads, monkeypatch) -> None:
    """Twice `steps` steps; between the two halves the batch loses a system."""
    for module in (pairs, born):
        monkeypatch.setattr(module, "config", lambda: replace(config(), threads=threads))
    parts = make()
    whole = maxwell_boltzmann(State.batch([state for _, state in parts], seed=7), TEMPERATURES)
    alone = [simulate(whole[s], f, integrator_of([s]), steps, 0.5) for s, (f, _) in enumerate(parts)]
    batch = simulate(whole, ForceField.batch([f for f, _ in parts]), integrator_of([0, 1, 2]), steps, 0.5)
    for s in range(3):
        same(batch[s], alone[s])
    fewer = ForceField.batch([parts[2][0], parts[1][0]])
    batch = simulate(batch[[2, 1]], fewer, integrator_of([2, 1]), steps, 0.5)
    for place, s in enumerate([2, 1]):
        same(batch[place], simulate(alone[s], parts[s][0], integrator_of([s]), steps, 0.5))


def test_threads_do_not_touch_the_forces_of_each_others_systems(monkeypatch) -> None:
    """Equal large systems, divided and shared out among threads: equal forces in each of many evaluations."""
    for module in (pairs, born):
        monkeypatch.setattr(module, "config", lambda: replace(config(), threads=2))
    forcefield, state = large_implicit()[0]
    start, many = State.batch([state] * 8, seed=1), ForceField.batch([forcefield] * 8)
    for _ in range(40):
        forces = simulate(start, many, VelocityVerlet(), 2, 0.5).forces.view(8, -1, 3)
        assert all(forces[0].equal(other) for other in forces)


def same(one: State, other: State) -> None:
    for name in ("positions", "velocities", "forces", "energy", "step", "seed"):
        assert getattr(one, name).equal(getattr(other, name)), name


def argons() -> list[Atoms]:
    return [bulk("Ar", a=a, cubic=True) * (2, 2, 2) for a in (5.3, 5.6, 5.45)]


INTEGRATORS = {
    "verlet": lambda t: VelocityVerlet(),
    "langevin": lambda t: Langevin(t, friction=0.02),
    "csvr": lambda t: Csvr(t, time=20.0),
    "npt": lambda t: CellRescaling(t, 1e-3, friction=0.02, every=3),
    "brownian": lambda t: Brownian(RotnePragerYamakawa(3.0, 5.0), t),
    "lanczos": lambda t: Brownian(RotnePragerYamakawa(3.0, 5.0), t, noise="lanczos"),
}


@pytest.mark.parametrize("name", INTEGRATORS)
def test_by_torch_to_1e_8(name) -> None:
    frames = argons()
    if name in ("brownian", "lanczos"):
        for frame in frames:
            frame.pbc = False
            frame.positions *= 1.6
    whole = maxwell_boltzmann(State.from_atoms(frames, seed=3), TEMPERATURES)
    whole = whole.replace(step=torch.tensor([0, 70, 4]))
    potential, dt = LennardJones(), 2.0
    batch = simulate(whole, potential, INTEGRATORS[name](TEMPERATURES), 50, dt)
    later = simulate(batch[[0, 2]], potential, INTEGRATORS[name](TEMPERATURES[[0, 2]]), 50, dt)
    for place, s in ((0, 0), (1, 2)):
        one = simulate(whole[s], potential, INTEGRATORS[name](TEMPERATURES[[s]]), 50, dt)
        for found, expected in (
            (batch[s], one),
            (later[place], simulate(one, potential, INTEGRATORS[name](TEMPERATURES[[s]]), 50, dt)),
        ):
            torch.testing.assert_close(found.positions, expected.positions, rtol=0, atol=1e-8)
            torch.testing.assert_close(found.cell, expected.cell, rtol=0, atol=1e-8)
            assert found.step.equal(expected.step)
