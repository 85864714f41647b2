"""Constraints: kept over long runs, the right physics of rigid bodies, clusters of all kinds, and what goes wrong."""

import math

import pytest
import torch
from ase import Atoms
from ase.build import molecule

from labkit.base import State
from labkit.engine import Constraints, Langevin, VelocityVerlet, kinetic_energy, maxwell_boltzmann, simulate
from labkit.errors import LabkitError
from tests.engine.tiny import HH, OH, Lonely, Springs, Wells, rigid_water, water


def lengths(constraints: Constraints, positions: torch.Tensor) -> torch.Tensor:
    a, b = constraints.atoms.T
    return (positions[b] - positions[a]).norm(dim=1)


def ethanol() -> tuple[Atoms, Constraints]:
    """Bonds to hydrogen: clusters of one, two and three constraints."""
    frame = molecule("CH3CH2OH")
    heavy = [i for i, z in enumerate(frame.numbers) if z != 1]
    pairs = [
        (min(heavy, key=lambda k: frame.get_distance(k, h)), h) for h in range(len(frame)) if frame.numbers[h] == 1
    ]
    distances = [frame.get_distance(*pair) for pair in pairs]
    return frame, Constraints(torch.tensor(pairs), torch.tensor(distances, dtype=torch.float64))


@pytest.mark.parametrize("integrator", ["nve", "langevin"])
def test_held_over_a_thousand_steps(integrator) -> None:
    ethanol_frame, ethanol_constraints = ethanol()
    frames = [water(), ethanol_frame, Atoms("Ar"), water()]
    constraints = Constraints.batch([rigid_water(), ethanol_constraints, None, rigid_water()], [3, 9, 1, 3])
    state = maxwell_boltzmann(State.from_atoms(frames, seed=1), 500.0, constraints=constraints)
    skeleton = torch.tensor([[3, 4], [3, 5]])
    potential = Springs(skeleton, lengths(Constraints(skeleton, torch.ones(2)), state.positions)) + Wells(0.05)
    rule = VelocityVerlet(constraints) if integrator == "nve" else Langevin(500.0, 0.01, constraints)
    state, worst = rule.init(state, potential), 0.0
    for _ in range(1000):
        state = rule.step(state, potential, 1.5)
        worst = max(worst, float((lengths(constraints, state.positions) - constraints.distances).abs().max()))
    assert worst < 1e-8
    a, b = constraints.atoms.T
    along = (state.positions[b] - state.positions[a]) * (state.velocities[b] - state.velocities[a])
    assert float(along.sum(1).abs().max()) < 1e-10


def test_rigid_rotor() -> None:
    """Two masses: a circle at constant speed, energy and angular momentum kept to rounding."""
    constraints = Constraints(torch.tensor([[0, 1]]), torch.tensor([1.2], dtype=torch.float64))
    state = State.from_atoms(Atoms("OH", [[0, 0, 0], [1.2, 0, 0]]))
    m = state.system.masses
    omega, reduced = 0.02, float(m[0] * m[1] / m.sum())
    velocities = torch.zeros(2, 3, dtype=torch.float64)
    velocities[0, 1], velocities[1, 1] = -omega * 1.2 * reduced / m[0], omega * 1.2 * reduced / m[1]
    rule, potential = VelocityVerlet(constraints), Lonely()
    state = rule.init(state.replace(velocities=velocities), potential)
    start = float(kinetic_energy(state))
    for _ in range(1000):
        state = rule.step(state, potential, 1.0)
    assert float(kinetic_energy(state)) == pytest.approx(start, rel=1e-8)
    bond = state.positions[1] - state.positions[0]
    # RATTLE turns by asin(ω dt) a step rather than ω dt: its error is of dt²
    angle = 1000 * math.asin(omega)
    assert math.atan2(bond[1], bond[0]) == pytest.approx(math.remainder(angle, 2 * math.pi), abs=1e-5)


def test_rigid_body_keeps_energy_and_angular_momentum() -> None:
    constraints = rigid_water()
    state = maxwell_boltzmann(State.from_atoms(water(), seed=3), 300.0, constraints=constraints)
    rule, potential = VelocityVerlet(constraints), Lonely()
    state = rule.init(state, potential)

    def momentum(s: State) -> torch.Tensor:
        return (s.system.masses[:, None] * torch.linalg.cross(s.positions, s.velocities)).sum(0)

    first, energies = momentum(state), []
    for _ in range(1000):
        state = rule.step(state, potential, 1.0)
        energies.append(float(kinetic_energy(state)))
    torch.testing.assert_close(momentum(state), first, rtol=1e-8, atol=1e-10)
    assert max(energies) / min(energies) - 1 < 2e-3  # bounded, of dt²
    assert sum(energies[-100:]) / sum(energies[:100]) == pytest.approx(1, abs=1e-3)


def test_init_brings_a_rough_start_onto_the_constraints() -> None:
    frame = water()
    frame.rattle(0.08, seed=1)
    state = VelocityVerlet(rigid_water()).init(State.from_atoms(frame), Lonely())
    torch.testing.assert_close(lengths(rigid_water(), state.positions), torch.tensor([OH, OH, HH]).double())


def test_velocities_are_projected_in_the_metric_of_the_masses() -> None:
    """P² = P, and M P is symmetric, so that no projection makes kinetic energy."""
    frame, constraints = ethanol()
    state = State.from_atoms(frame)
    n, m = 3 * len(frame), state.system.masses
    basis = torch.eye(n, dtype=torch.float64).view(n, -1, 3)
    p = torch.stack([constraints.velocities(state.positions, v, m).flatten() for v in basis], 1)
    torch.testing.assert_close(p @ p, p, atol=1e-12, rtol=0)
    torch.testing.assert_close(m.repeat_interleave(3)[:, None] * p, (m.repeat_interleave(3)[:, None] * p).T)
    assert int(torch.linalg.matrix_rank(p)) == n - len(constraints)


def test_groups() -> None:
    constraints = Constraints.batch([None, rigid_water(), rigid_water()], [2, 3, 3])
    groups = constraints.groups(State.from_atoms([Atoms("Ar2", [[0, 0, 0], [3, 0, 0]]), water(), water()]).system)
    assert groups.tolist() == [0, 1, 2, 2, 2, 3, 3, 3]


def test_float32() -> None:
    state = State.from_atoms([water()] * 3, dtype=torch.float32, seed=1)
    constraints = rigid_water().repeat(3, 3)
    rule = Langevin(300.0, 0.01, constraints)
    state = rule.init(maxwell_boltzmann(state, 300.0, constraints=constraints), Lonely())
    for _ in range(100):
        state = rule.step(state, Lonely(), 2.0)
    assert state.positions.dtype == torch.float32
    assert float((lengths(constraints, state.positions) - constraints.distances).abs().max()) < 1e-5


def test_too_large_a_step_names_step_and_atoms() -> None:
    state = State.from_atoms([water(), water()], seed=1)
    constraints = rigid_water().repeat(2, 3)
    moving = maxwell_boltzmann(state, 300.0, constraints=constraints)
    rule = VelocityVerlet(constraints)
    moving = rule.init(moving, Lonely()).replace(step=17)
    fast = moving.velocities.clone()
    fast[4] *= 1000
    with pytest.raises(LabkitError, match=r"step 17: the constraint between atoms [345] and [345].*reduce the time"):
        rule.step(moving.replace(velocities=fast), Lonely(), 5.0)


@pytest.mark.parametrize(
    ("atoms", "distances", "message"),
    [
        ([[0, 1]], [0.0], "keeps atoms 0 and 1 at 0.0"),
        ([[2, 2]], [1.0], "expected two atoms"),
        ([[0, 1], [1, 0]], [1.0, 1.0], "atoms 0 and 1 is constrained twice"),
        ([[i, i + 1] for i in range(20)], [1.0] * 20, "belongs to 20 constraints"),
        ([[0, 99]], [1.0], "refer to atom 99, but the batch has 22"),
        ([[0, 21]], [1.0], "atoms 0 and 21 of different systems"),
        ([[0, 1, 2]], [1.0], "expected"),
    ],
)
def test_bad_constraints(atoms, distances, message) -> None:
    state = State.from_atoms([Atoms("H21", [[i, 0, 0] for i in range(21)]), Atoms("H")])
    with pytest.raises(LabkitError, match=message):
        VelocityVerlet(Constraints(torch.tensor(atoms), torch.tensor(distances))).init(state, Lonely())


def test_compiled_is_the_same_as_torch(monkeypatch) -> None:
    frame, constraints = ethanol()
    constraints = Constraints.batch([constraints, rigid_water()], [9, 3])
    state = maxwell_boltzmann(State.from_atoms([frame, water()], seed=1), 300.0)
    masses, moved = state.system.masses, state.positions + 2.0 * state.velocities
    found = []
    for compiled in (True, False):
        monkeypatch.setattr("labkit.engine.constraints.compiler", lambda compiled=compiled: compiled)
        positions = constraints.positions(state.positions, moved, masses)
        found.append((positions, constraints.velocities(positions, state.velocities, masses)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=0)
    assert float((lengths(constraints, moved) - constraints.distances).abs().max()) > 0.01
    moved[10] = float("nan")
    for compiled in (True, False):
        monkeypatch.setattr("labkit.engine.constraints.compiler", lambda compiled=compiled: compiled)
        with pytest.raises(LabkitError, match="step 3: the constraint between atoms 9 and 10"):
            constraints.positions(state.positions, moved, masses, 3)


def test_a_run_names_the_step_of_a_constraint_that_fails_once() -> None:
    state = State.from_atoms(water())
    apart = Constraints(torch.tensor([[0, 1], [0, 2], [1, 2]]), torch.tensor([0.96, 0.96, 2.5]))
    with pytest.raises(LabkitError, match="^step 0, before the first: the constraint between atoms"):
        simulate(state, Lonely(), VelocityVerlet(apart), 5, 1.0)
    fast = state.replace(velocities=torch.tensor([[0.0, 0, 0], [0, 0, 0.91], [0, 0, 0.91]], dtype=torch.float64))
    with pytest.raises(LabkitError, match="^step 1: the constraint between atoms"):
        simulate(fast, Lonely(), VelocityVerlet(rigid_water()), 5, 1.09)
