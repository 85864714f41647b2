"""Held atoms: they never move, have no degrees of freedom, and the rest has the ensemble of dynamics around them."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from scipy import stats

from labkit.base import State, Sum
from labkit.engine import (
    CellRescaling,
    Constraints,
    Csvr,
    Langevin,
    ReplicaExchange,
    VelocityVerlet,
    degrees_of_freedom,
    fire,
    hold,
    hydrogen_mass_repartitioning,
    internal_pressure,
    kinetic_energy,
    largest_force,
    lbfgs,
    maxwell_boltzmann,
    rollout,
    simulate,
    temperature,
    without_com_motion,
)
from labkit.engine.observers import Thermodynamics
from labkit.errors import LabkitError
from labkit.forcefield import ForceField, HarmonicAngles, HarmonicBonds
from labkit.units import KB, KINETIC
from tests.engine.tiny import OH, Breathing, Lonely, Springs, Wells, rigid_water, water

CARBONS = [0, 1]  # of ethanol, CH3CH2OH as ASE has it: C C O and six H


def ethanol() -> tuple[Atoms, Constraints, ForceField]:
    """Bonds to hydrogen as constraints, and a force field of all bonds and angles."""
    frame = molecule("CH3CH2OH")
    near = frame.get_all_distances()
    bonds = [(i, j) for i in range(9) for j in range(i) if near[i, j] < (1.2 if 1 in frame.numbers[[i, j]] else 1.6)]
    to_hydrogen = [pair for pair in bonds if 1 in frame.numbers[list(pair)]]
    bound = [[sum(pair) - j for pair in bonds if j in pair] for j in range(9)]
    angles = [(a, j, c) for j in range(9) for k, a in enumerate(bound[j]) for c in bound[j][:k]]
    r0 = torch.tensor([float(near[pair]) for pair in bonds], dtype=torch.float64)
    terms = {
        "bonds": HarmonicBonds(bonds, k=30.0, r0=r0),
        "angles": HarmonicAngles(angles, k=4.0, theta0=math.radians(109.5)),
    }
    distances = torch.tensor([float(near[pair]) for pair in to_hydrogen], dtype=torch.float64)
    return frame, Constraints(torch.tensor(to_hydrogen), distances), ForceField(terms, 9)


def lengths(constraints: Constraints, positions: torch.Tensor) -> torch.Tensor:
    a, b = constraints.atoms.T
    return (positions[b] - positions[a]).norm(dim=1)


def error_of(constraints: Constraints, state: State) -> float:
    return float((lengths(constraints, state.positions) - constraints.distances).abs().max())


def finite(state: State) -> bool:
    parts = [state.positions, state.velocities, state.forces, *state.aux.values()]
    return all(bool(torch.isfinite(part).all()) for part in parts if part is not None)


def test_hold() -> None:
    state = maxwell_boltzmann(State.from_atoms([water(), water()], seed=1), 300.0)
    mask = torch.tensor([False, True, False, True, False, False])
    for atoms in ([1, 3], torch.tensor([3, 1]), np.array([1, 3]), mask, mask.numpy(), mask.tolist()):
        found = hold(state, atoms)
        assert found.system.held.tolist() == mask.tolist()
        assert found.system.held_counts.tolist() == [1, 1] and found.system.any_held
        assert torch.equal(found.system.masses[~mask], state.system.masses[~mask])
        assert torch.equal(found.velocities[~mask], state.velocities[~mask])
        assert not found.velocities[mask].any()
    assert hold(hold(state, [1]), [3]).system.held.tolist() == mask.tolist()
    nothing = hold(state, [])
    assert not nothing.system.any_held and nothing.system.free_masses is nothing.system.masses
    assert hold(state.to("cpu"), mask).system.to("cpu").held.tolist() == mask.tolist()
    assert not state.system.any_held  # that one is as it was


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        ([6], "atom 6 is not in the batch; expected 0 to 5"),
        ([-1], "atom -1 is not in the batch"),
        (torch.tensor([True, False]), r"mask has shape \(2,\); expected \(6,\)"),
        ([0.0, 1.0], "expected whole numbers"),
        ([[0, 1]], r"shape \(1, 2\); expected"),
    ],
)
def test_hold_says_what_is_wrong(atoms, message) -> None:
    with pytest.raises(LabkitError, match=message):
        hold(State.from_atoms([water(), water()]), atoms)


class Uncompiled(Sum):
    """By torch, a step at a time."""

    def compiled(self, state):
        return None


@pytest.mark.parametrize("path", ["compiled", "float32", "no compiled potential"])
@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("integrator", [VelocityVerlet(), Langevin(400.0, 0.02), Csvr(400.0, time=50.0)])
def test_held_atoms_stay_to_the_bit(integrator, constrained, path) -> None:
    frame, constraints, forcefield = ethanol()
    dtype = torch.float32 if path == "float32" else torch.float64
    potential = forcefield.to(dtype) if path != "no compiled potential" else Uncompiled([forcefield, Wells(0.01)])
    state = hold(State.from_atoms(frame, seed=3, dtype=dtype), CARBONS)
    assert (potential.compiled(state) is None) == (path == "no compiled potential")
    rule = replace(integrator, constraints=constraints if constrained else None)
    start = maxwell_boltzmann(state, 400.0, constraints=rule.constraints)
    # what stands there does not matter: init stops held atoms
    start = start.replace(velocities=torch.where(start.system.held[:, None], 0.1, start.velocities))
    end = simulate(start, potential, rule, 200, 0.5)
    assert end.positions[CARBONS].equal(start.positions[CARBONS]) and not end.velocities[CARBONS].any()
    assert finite(end) and float((end.positions - start.positions)[2:].norm(dim=1).min()) > 1e-3
    if constrained:
        assert error_of(constraints, end) < (1e-9 if dtype == torch.float64 else 1e-5)
    stepwise = rule.init(start, potential)
    with torch.no_grad():
        for _ in range(20):
            stepwise = rule.step(stepwise, potential, 0.5)
        at_once = rule.advance(rule.init(start, potential), potential, 0.5, 20)
    assert stepwise.positions[CARBONS].equal(start.positions[CARBONS])
    close = 1e-8 if dtype == torch.float64 else 1e-3
    torch.testing.assert_close(at_once.positions, stepwise.positions, rtol=0, atol=close)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_hydrogen_on_a_held_atom_is_brought_to_its_distance_alone(compiled, monkeypatch) -> None:
    monkeypatch.setattr("labkit.engine.constraints.compiler", lambda: compiled)
    frame, constraints, forcefield = ethanol()
    frame.rattle(0.05, seed=2)
    rough = hold(State.from_atoms(frame), CARBONS)
    state = VelocityVerlet(constraints).init(rough, forcefield)
    assert state.positions[CARBONS].equal(rough.positions[CARBONS])
    assert error_of(constraints, rough) > 1e-2 and error_of(constraints, state) < 1e-9
    moving = maxwell_boltzmann(state, 500.0, constraints=constraints)
    worst = 0.0
    for _ in range(300):
        moving = Langevin(500.0, 0.01, constraints).step(moving, forcefield, 1.0)
        worst = max(worst, error_of(constraints, moving))
    assert worst < 1e-9
    a, b = constraints.atoms.T
    along = (moving.positions[b] - moving.positions[a]) * (moving.velocities[b] - moving.velocities[a])
    assert float(along.sum(1).abs().max()) < 1e-10


def test_projection_moves_free_atoms_alone_in_the_metric_of_their_masses() -> None:
    """P² = P, of the rank that the degrees of freedom say, and M P symmetric among the free."""
    frame, constraints, _ = ethanol()
    state = hold(State.from_atoms(frame), CARBONS)
    masses, free = state.system.masses, (~state.system.held).repeat_interleave(3)
    basis = torch.diag(free.double())[free].view(-1, 9, 3)
    p = torch.stack([constraints.velocities(state.positions, v, masses).flatten() for v in basis], 1)
    assert not p[~free].any()
    p = p[free]
    torch.testing.assert_close(p @ p, p, atol=1e-12, rtol=0)
    weighted = masses.repeat_interleave(3)[free][:, None] * p
    torch.testing.assert_close(weighted, weighted.T)
    assert int(torch.linalg.matrix_rank(p)) == int(degrees_of_freedom(state.system, constraints)) == 3 * 7 - 6


def test_degrees_of_freedom() -> None:
    state = State.from_atoms([water(), molecule("CH4"), water(), Atoms("Ar")])
    constraints = Constraints.batch([rigid_water(), None, rigid_water(), None], [3, 5, 3, 1])
    system = hold(state, [0, 1, 3, 11]).system  # two atoms of the first water, the carbon, all of the argon
    assert constraints.count(system).tolist() == [2, 0, 3, 0]  # one of two held atoms
    assert degrees_of_freedom(system).tolist() == [3, 12, 9, 0]
    assert degrees_of_freedom(system, constraints).tolist() == [1, 12, 6, 0]
    assert degrees_of_freedom(system, constraints, com_removed=True).tolist() == [1, 12, 3, 0]
    for rule in (VelocityVerlet(constraints), Csvr(300.0, constraints=constraints)):
        assert rule.degrees_of_freedom(system).tolist() == [1, 12, 3, 0]
    assert Langevin(300.0, constraints=constraints).degrees_of_freedom(system).tolist() == [1, 12, 6, 0]


def test_maxwell_boltzmann() -> None:
    """Canonical energies of 3·2 - 2 degrees of freedom: O is held, both OH constrained."""
    constraints = Constraints(torch.tensor([[0, 1], [0, 2]]), torch.tensor([OH, OH]).double()).repeat(2000, 3)
    state = hold(State.from_atoms([water()] * 2000 + [water()], seed=2), torch.arange(0, 6000, 3))
    moving = maxwell_boltzmann(state, 250.0, constraints=constraints)
    assert finite(moving) and not moving.velocities[state.system.held].any()
    energies = (kinetic_energy(moving) / (KB * 250.0)).numpy()[:2000]
    assert stats.kstest(energies, stats.gamma(0.5 * 4).cdf).pvalue > 1e-3
    for wrong in (3, 5, 7):
        assert stats.kstest(energies, stats.gamma(0.5 * wrong).cdf).pvalue < 1e-6
    found = temperature(moving, constraints, com_removed=True)[:2000]
    assert abs(float(found.mean()) - 250.0) < 4 * 250.0 * (2 / 4 / 2000) ** 0.5
    # the centre of mass of a system with held atoms is left alone, that of the others is stopped
    still = without_com_motion(moving)
    assert still.velocities[:6000].equal(moving.velocities[:6000])
    last = (state.system.masses[6000:, None] * moving.velocities[6000:]).sum(0)
    assert float(last.abs().max()) < 1e-14


@pytest.mark.parametrize("rule", [Langevin(300.0, 0.05), Csvr(300.0, time=20.0)])
def test_equipartition(rule) -> None:
    """K = f k_B T/2 with f = 3·free - constraints, over replicas; one degree of freedom more or less would be seen."""
    replicas, free = 800, 3 * 7 - 6
    frame, constraints, forcefield = ethanol()
    constraints, forcefield = constraints.repeat(replicas, 9), forcefield.repeat(replicas)
    state = State.from_atoms([frame] * replicas, seed=4)
    state = hold(state, torch.arange(9 * replicas).view(-1, 9)[:, CARBONS].flatten())
    rule = replace(rule, constraints=constraints)
    state = simulate(maxwell_boltzmann(state, 300.0, constraints=constraints), forcefield, rule, 100, 0.5)
    means = torch.zeros(replicas, dtype=torch.float64)
    for _ in range(10):
        state = simulate(state, forcefield, rule, 20, 0.5)
        means += 2 * kinetic_energy(state) / (free * KB) / 10
    known = 2 * kinetic_energy(state) / (free * KB)
    torch.testing.assert_close(temperature(state, constraints, com_removed=True), known)
    error = float(means.std()) / replicas**0.5
    assert error < 300.0 / free / 8  # an eighth of what one degree of freedom makes
    assert abs(float(means.mean()) - 300.0) < 4 * error


def test_a_free_atom_on_a_spring_to_a_held_one() -> None:
    """<r²> = 3 k_B T/k, which BAOAB has without an error of the timestep."""
    systems, k, warm = 1000, 2.0, 300.0
    state = State.from_atoms([Atoms("CH", [[0, 0, 0], [0.1, 0.1, 0.1]])] * systems, seed=5)
    state = hold(state, torch.arange(0, 2 * systems, 2))
    spring = Springs(torch.arange(2 * systems).view(-1, 2), torch.zeros(systems).double(), k)
    rule = Langevin(warm, 0.05)
    state = simulate(maxwell_boltzmann(state, warm), spring, rule, 200, 2.0)
    means = torch.zeros(systems, dtype=torch.float64)
    for _ in range(10):
        state = simulate(state, spring, rule, 40, 2.0)
        means += state.positions[1::2].square().sum(1) / 10
    assert not state.positions[0::2].any()
    error = float(means.std()) / systems**0.5
    assert error < 0.02 * 3 * KB * warm / k
    assert abs(float(means.mean()) - 3 * KB * warm / k) < 4 * error


@pytest.mark.parametrize("constrained", [False, True])
def test_energy_is_conserved(constrained) -> None:
    """To an error of dt²: half the timestep, a quarter of the error."""
    frame, constraints, forcefield = ethanol()
    rule = VelocityVerlet(constraints if constrained else None)
    start = hold(State.from_atoms(frame, seed=7), CARBONS)
    start = maxwell_boltzmann(start, 400.0, constraints=rule.constraints)
    spreads = []
    for dt in (0.5, 0.25):
        state, energies = rule.init(start, forcefield), []
        for _ in range(100):
            state = simulate(state, forcefield, rule, round(2.0 / dt), dt)
            energies.append(float(rule.conserved(state)))
        spreads.append(np.std(energies))
        assert abs(np.mean(energies[-20:]) - np.mean(energies[:20])) < 2 * spreads[-1]
    assert spreads[0] < 0.02 * float(kinetic_energy(start))
    assert 3.0 < spreads[0] / spreads[1] < 5.5


@pytest.mark.parametrize("path", ["compiled", "torch"])
@pytest.mark.parametrize("integrator", [VelocityVerlet(), Langevin(0.0, 0.01), Csvr(300.0, time=1e20)])
def test_a_batch_is_its_systems_alone(integrator, path) -> None:
    """One with held atoms, one without, one all held; dynamics without noise, which depends on the batch."""
    frame, constraints, forcefield = ethanol()
    frames = [frame] * (2 if isinstance(integrator, Csvr) else 3)  # all held has no temperature
    count = len(frames)
    state = State.from_atoms(frames, seed=8)
    state = hold(state, [*CARBONS, *range(18, 9 * count)])
    state = maxwell_boltzmann(state, 300.0, constraints=constraints.repeat(count, 9))
    more = Lonely() if path == "compiled" else Wells(0.01)

    def end(part: State, copies: int) -> State:
        potential = forcefield.repeat(copies) if path == "compiled" else Uncompiled([forcefield.repeat(copies), more])
        rule = replace(integrator, constraints=constraints.repeat(copies, 9))
        return simulate(part, potential, rule, 40, 0.5)

    together = end(state, count)
    temperatures = temperature(together, constraints.repeat(count, 9), com_removed=True)
    assert finite(together)
    for s in range(count):
        own = slice(9 * s, 9 * s + 9)
        system = replace(
            state.system, numbers=state.system.numbers[own], masses=state.system.masses[own],
            index=torch.zeros(9, dtype=torch.int64), pbc=state.system.pbc[:1], types=None,
        )  # fmt: skip
        part = State(system, state.positions[own], state.cell[:1], state.velocities[own], seed=8)
        alone = end(part, 1)
        for name in ("positions", "velocities", "forces"):
            torch.testing.assert_close(getattr(together, name)[own], getattr(alone, name), rtol=0, atol=1e-10)
        warm = temperature(alone, constraints, com_removed=True)
        torch.testing.assert_close(temperatures[s : s + 1], warm, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("minimise", [fire, lbfgs])
def test_minimisers(minimise, constrained) -> None:
    frame, constraints, forcefield = ethanol()
    frame.positions[CARBONS[1]] += 0.15  # the held bond stays strained
    frame.rattle(0.05, seed=1)
    state = hold(State.from_atoms(frame), CARBONS)
    rigid = constraints if constrained else None
    found = minimise(state, forcefield, fmax=1e-3, steps=3000, constraints=rigid)
    assert found.positions[CARBONS].equal(state.positions[CARBONS])
    assert float(largest_force(found, rigid)) <= 1e-3 < 0.5 < float(found.forces[CARBONS].norm(dim=1).max())
    if constrained:
        assert error_of(constraints, found) < 1e-9
    every = hold(state, range(9))
    assert minimise(every, forcefield, fmax=1e-3).positions.equal(state.positions)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_constraint_of_two_held_atoms(dtype, compiled, monkeypatch) -> None:
    """A rigid water of which two atoms are held: the third turns about them, with one degree of freedom."""
    monkeypatch.setattr("labkit.engine.constraints.compiler", lambda: compiled)
    frames, constraints = [water(), water()], rigid_water().repeat(2, 3)
    state = hold(State.from_atoms(frames, seed=1, dtype=dtype), [0, 1, 3, 4, 5])  # all of the second
    rule, potential = Langevin(300.0, 0.01, constraints), Lonely()
    start = rule.init(maxwell_boltzmann(state, 300.0, constraints=constraints), potential)
    end = simulate(start, potential, rule, 200, 1.0)
    held = state.system.held
    assert finite(end) and end.positions[held].equal(state.positions[held])
    assert error_of(constraints, end) < (1e-9 if dtype == torch.float64 else 1e-5)
    assert float((end.positions - start.positions)[2].norm()) > 0.01
    far = end.positions.clone()
    far[1, 0] += 0.01
    with pytest.raises(LabkitError, match=r"atoms 0 and 1 are both held, 0\.9\d+ Å apart, .* constrained to 0\.957"):
        rule.init(end.replace(positions=far), potential)
    with pytest.raises(LabkitError, match="are both held"):
        lbfgs(end.replace(positions=far), potential, constraints=constraints)


def test_nothing_but_constraints_of_held_atoms() -> None:
    frame, constraints, forcefield = ethanol()
    bond = Constraints(torch.tensor([[0, 1]]), torch.tensor([frame.get_distance(0, 1)]).double())
    state = maxwell_boltzmann(hold(State.from_atoms(frame, seed=1), CARBONS), 300.0, constraints=bond)
    with_, without = (simulate(state, forcefield, VelocityVerlet(c), 30, 0.5) for c in (bond, None))
    assert with_.positions.equal(without.positions) and with_.velocities.equal(without.velocities)
    assert bond.count(state.system).tolist() == [0]


def test_more_constraints_than_free_atoms_can_meet() -> None:
    frame = Atoms("HC4", [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0]])
    constraints = Constraints(torch.tensor([[0, i] for i in range(1, 5)]), torch.ones(4).double())
    state = hold(State.from_atoms(frame), [1, 2, 3, 4])
    with pytest.raises(LabkitError, match="atom 0 is in a cluster of 4 constraints with 1 free atoms.*at most 3"):
        VelocityVerlet(constraints).init(state, Lonely())


def test_barostats_pressures_and_what_knows_no_masses_are_refused(tmp_path) -> None:
    state = hold(State.from_atoms(bulk("Ar", a=5.4, cubic=True), seed=1), [2])
    box = Breathing(1.0, 150.0)
    with pytest.raises(LabkitError, match="CellRescaling: system 0 has 1 held atom .*use Langevin or Csvr"):
        simulate(state, box, CellRescaling(300.0, 1e-4), 2, 1.0)
    with pytest.raises(LabkitError, match="1 held atom .*pressure=False"):
        simulate(state, box, Langevin(300.0), 2, 1.0, observers=[Thermodynamics(tmp_path / "x.csv", pressure=True)])
    with pytest.raises(LabkitError, match="pressure: system 0 has 1 held atom"):
        internal_pressure(state.replace(aux={"stress": torch.zeros(1, 3, 3).double()}))
    with pytest.raises(LabkitError, match="Csvr: all atoms of system 0 are held"):
        simulate(hold(state, range(4)), box, Csvr(300.0), 2, 1.0)
    from labkit.mobility import Brownian, RotnePragerYamakawa

    open_ = hold(State.from_atoms(Atoms("Ar2", [[0, 0, 0], [9, 0, 0]])), [0])
    with pytest.raises(LabkitError, match="Brownian: system 0 has 1 held atom .*restraints"):
        Brownian(RotnePragerYamakawa(radius=3.0, viscosity=5.5), 300.0).init(open_, Lonely())


def test_thermodynamics(tmp_path) -> None:
    frame, constraints, forcefield = ethanol()
    rule = Csvr(300.0, time=50.0, constraints=constraints)
    state = maxwell_boltzmann(hold(State.from_atoms(frame, seed=1), CARBONS), 300.0, constraints=constraints)
    end = simulate(state, forcefield, rule, 20, 0.5, observers=[Thermodynamics(tmp_path / "run.csv", every=10)])
    table = np.genfromtxt(tmp_path / "run.csv", delimiter=",", names=True)
    assert all(np.isfinite(table[name]).all() for name in table.dtype.names)
    assert table["temperature_K"][-1] == pytest.approx(2 * float(kinetic_energy(end)) / (15 * KB), rel=1e-9)
    assert table["conserved_eV"][-1] == pytest.approx(table["conserved_eV"][0], abs=1e-3)


@pytest.mark.parametrize("integrator", [Langevin(300.0, 0.01), Csvr(300.0, time=50.0), VelocityVerlet()])
def test_a_resumed_run_has_the_same_bits(integrator, tmp_path) -> None:
    frame, constraints, forcefield = ethanol()
    rule = replace(integrator, constraints=constraints)
    start = maxwell_boltzmann(hold(State.from_atoms(frame, seed=6), CARBONS), 300.0, constraints=constraints)

    def go(name: str, steps: int, begin: State = start) -> State:
        return simulate(begin, forcefield, rule, steps, 0.5, checkpoint=tmp_path / name, checkpoint_every=20)

    whole = go("whole", 60)
    go("cut", 20)
    resumed = go("cut", 60)
    assert resumed.positions.equal(whole.positions) and resumed.velocities.equal(whole.velocities)
    assert resumed.system.held.tolist() == start.system.held.tolist()
    assert resumed.positions[CARBONS].equal(start.positions[CARBONS])
    with pytest.raises(LabkitError, match="checkpoint of another run: system"):
        go("cut", 60, start.replace(system=State.from_atoms(frame).system))


def test_ase_and_batches_keep_them() -> None:
    state = maxwell_boltzmann(hold(State.from_atoms([water(), water()], seed=1), [0]), 300.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames = state.to_atoms()
        again = State.from_atoms(frames)
        assert frames[0].get_kinetic_energy() == pytest.approx(float(kinetic_energy(state)[0]), rel=1e-12)
    assert np.isfinite(frames[0].get_momenta()).all() and math.isinf(frames[0].get_masses()[0])
    assert again.system.masses.equal(state.system.masses)
    torch.testing.assert_close(again.velocities, state.velocities, rtol=1e-14, atol=0)
    assert State.batch([state, again], seed=1).system.held.nonzero().flatten().tolist() == [0, 6]
    known = state.replace(forces=torch.ones_like(state.positions)).to_atoms()[0]
    assert (known.get_forces() == 1.0).all()  # also of the held atom: mean forces are made of them
    frames[0].set_masses([np.inf, 1.0, 1.0])
    with np.errstate(invalid="ignore"):
        frames[0].set_velocities(np.zeros((3, 3)))  # ASE's momentum is inf * 0
    assert not State.from_atoms(frames[0]).velocities.any()


def test_gradients_through_dynamics() -> None:
    """With respect to temperature, stiffness and the places of held atoms, by finite differences."""
    state = State.from_atoms(Atoms("CH2", [[0, 0, 0], [1.1, 0, 0], [0, 1.2, 0]]), seed=2)
    bond = Constraints(torch.tensor([[0, 2]]), torch.tensor([1.2]).double())
    state = maxwell_boltzmann(hold(state, [0]), 300.0, constraints=bond)
    pair = torch.tensor([[0, 1]])

    def loss(warm: torch.Tensor, k: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        spring = Springs(pair, torch.ones(1).double())
        spring.k = torch.nn.Parameter(k.detach().clone()) if not k.requires_grad else k
        thermal = maxwell_boltzmann(state.replace(positions=x), warm, constraints=bond)
        end, _ = rollout(thermal, spring, Langevin(warm, 0.05, bond), 9, 0.5, segment=9)
        return end.positions[1:].square().sum() + 100 * kinetic_energy(end).sum()

    values = [torch.tensor([300.0]).double(), torch.nn.Parameter(torch.tensor(20.0).double()), state.positions.clone()]
    values[0].requires_grad_(), values[2].requires_grad_()
    slopes = torch.autograd.grad(loss(*values), values)
    assert all(bool(torch.isfinite(slope).all()) for slope in slopes)
    with torch.no_grad():
        for which, at, h in ((0, (0,), 1e-2), (1, (), 1e-4), (2, (0, 0), 1e-5), (2, (1, 1), 1e-5)):
            ends = []
            for sign in (1, -1):
                moved = [v.detach().clone() for v in values]
                moved[which][at] += sign * h
                ends.append(float(loss(*moved)))
            assert float(slopes[which][at]) == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-4, abs=1e-6)


def test_rollout_in_segments() -> None:
    frame, constraints, _ = ethanol()
    state = maxwell_boltzmann(hold(State.from_atoms(frame, seed=1), CARBONS), 300.0, constraints=constraints)
    begin = state.velocities.clone().requires_grad_()
    warm = torch.tensor(300.0, dtype=torch.float64, requires_grad=True)
    rule = Langevin(warm, 0.02, constraints)
    found = []
    for segment in (12, 4):
        end, _ = rollout(state.replace(velocities=begin), Wells(0.1), rule, 12, 0.5, segment=segment)
        assert end.positions[CARBONS].equal(state.positions[CARBONS])
        found.append(torch.autograd.grad(end.positions.square().sum(), [begin, warm]))
    for one, other in zip(*found, strict=True):
        assert bool(torch.isfinite(one).all())
        torch.testing.assert_close(one, other)


def test_replica_exchange() -> None:
    frame, constraints, forcefield = ethanol()
    ladder = torch.tensor([300.0, 330.0, 360.0]).double()
    rule = ReplicaExchange(Langevin(ladder, 0.02, constraints.repeat(3, 9)), every=5)
    state = hold(State.from_atoms([frame] * 3, seed=1), [9 * s + c for s in range(3) for c in CARBONS])
    start = maxwell_boltzmann(state, ladder, constraints=rule.constraints)
    end = simulate(start, forcefield.repeat(3), rule, 100, 0.5)
    assert float(end.aux["exchange.accepted"].sum()) > 0
    assert finite(end) and end.positions[state.system.held].equal(state.positions[state.system.held])
    away = state.positions.clone()
    away[10] += 0.01
    with pytest.raises(LabkitError, match="atom 1 is held at other positions in systems 0 and 1"):
        simulate(start.replace(positions=away), forcefield.repeat(3), rule, 10, 0.5)


def test_hydrogen_mass_repartitioning_leaves_them() -> None:
    frame, constraints, _ = ethanol()
    system = hold(State.from_atoms(frame), [0, 3]).system  # a carbon, and the hydrogen of the oxygen
    masses = hydrogen_mass_repartitioning(system.masses, constraints.atoms, system.numbers)
    assert torch.isinf(masses).equal(system.held)
    assert masses[2] == system.masses[2]
    free = (system.numbers == 1) & ~system.held
    assert bool((masses[free] == 3.0).all())


def test_density_of_states_has_the_free_degrees_of_freedom() -> None:
    from labkit.spectra import density_of_states, normal_modes

    swing = np.cos(2 * np.pi * np.arange(4000) / 33.356)
    velocities = swing[:, None, None] * np.random.default_rng(0).normal(size=(3, 3))
    velocities[:, 0] = 0.0
    state = hold(State.from_atoms(water()), [0])
    assert density_of_states(velocities, state.system, 1.0).total.integral() == pytest.approx(6.0, rel=1e-6)
    with pytest.raises(LabkitError, match="normal_modes: system 0 has 1 held atom"):
        normal_modes(state, Wells(1.0))
    apart = hold(State.from_atoms([water(), water()]), [0]).system
    with pytest.raises(LabkitError, match="system 1 of the batch has 0 held atoms, system 0 has 1"):
        density_of_states(np.tile(velocities, (1, 2, 1)), apart, 1.0)


def test_openmm_holds_them_by_no_mass() -> None:
    pytest.importorskip("openmm")
    from labkit.forcefield import to_openmm

    frame, constraints, forcefield = ethanol()
    masses = hold(State.from_atoms(frame), CARBONS).system.masses
    system = to_openmm(forcefield, masses)
    found = [system.getParticleMass(i)._value for i in range(9)]
    assert found == torch.where(torch.isinf(masses), 0.0, masses).tolist()
    with pytest.raises(LabkitError, match="a constraint binds atoms . and ., of which . is held"):
        to_openmm(forcefield, masses, constraints=(constraints.atoms, constraints.distances))
    both = to_openmm(forcefield, masses, constraints=(torch.tensor([[0, 1]]), torch.tensor([1.5])))
    assert both.getNumConstraints() == 0


def test_units_of_thermal_velocities() -> None:
    """The free atom of a pair has the variance k_B T/m, whatever its partner weighs."""
    state = hold(State.from_atoms([Atoms("CH", [[0, 0, 0], [1, 0, 0]])] * 4000, seed=9), torch.arange(0, 8000, 2))
    speeds = maxwell_boltzmann(state, 300.0).velocities[1::2]
    expected = KB * 300.0 / (KINETIC * 1.008)
    assert float(speeds.square().mean()) == pytest.approx(expected, rel=4 * (2 / speeds.numel()) ** 0.5)
