"""Replica exchange: stationary distributions in closed form, rare events, bookkeeping, and resuming to the bit."""

from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
import pytest
import torch
from ase import Atoms
from scipy import integrate, stats
from torch import Tensor

from labkit.base import Integrator, Observer, State
from labkit.engine import (
    CellRescaling,
    Csvr,
    Langevin,
    ReplicaExchange,
    VelocityVerlet,
    geometric_ladder,
    kinetic_energy,
    maxwell_boltzmann,
    simulate,
)
from labkit.engine.observers import Record
from labkit.engine.replica_exchange import WALKERS
from labkit.errors import LabkitError
from labkit.forcefield.examples import chain
from labkit.units import KB
from tests.engine.tiny import Lonely, Wells, water, water_springs

LADDER = geometric_ladder(200.0, 500.0, 4)


@dataclass(frozen=True)
class Still(Integrator):
    """Dynamics in which nothing moves, so that exchanges alone act."""

    temperature: Tensor = field(default_factory=lambda: LADDER)

    def bath(self, state):
        return self.temperature

    def init(self, state, potential):
        known = potential.evaluate(state)
        return state.replace(forces=known.forces, energy=known.energy)

    def step(self, state, potential, dt):
        return state.replace(step=state.step + 1)


def argon(atoms: int, systems: int, seed: int = 3) -> State:
    return State.from_atoms([Atoms(f"Ar{atoms}", [[0.01 * i, 0, 0] for i in range(atoms)])] * systems, seed=seed)


def canonical(ladders: int, k: float = 1.0) -> State:
    """Exact samples of pairs of atoms in wells ½ k r², all ladders with LADDER."""
    temperatures = LADDER.repeat(ladders)
    state = maxwell_boltzmann(argon(2, len(temperatures)), temperatures, com_removed=False)
    width = (KB * temperatures / k).sqrt().repeat_interleave(2)[:, None]
    random = torch.Generator().manual_seed(11)
    return state.replace(positions=width * torch.randn(state.positions.shape, generator=random, dtype=torch.float64))


def p_values(state: State) -> list[float]:
    """Of potential and kinetic energies at each temperature against the gamma distribution of 6/2."""
    found = []
    for energies in (state.energy, kinetic_energy(state)):
        reduced = energies.view(-1, len(LADDER)) / (KB * LADDER)
        found += [stats.kstest(column.numpy(), stats.gamma(3).cdf).pvalue for column in reduced.T]
    return found


def test_exchanges_alone_keep_canonical_distributions() -> None:
    """From exact samples; a wrong sign of the exponent or velocities that are not scaled do not."""
    exchange, state = ReplicaExchange(Still(LADDER.repeat(1200)), every=1, ladders=1200), canonical(1200)
    now = exchange.init(state, Wells())
    for _ in range(30):
        now = exchange.step(now, Wells(), 1.0)
    assert min(p_values(now)) > 1e-3
    assert bool(((exchange.acceptance(now) > 0.3) & (exchange.acceptance(now) < 1)).any(0).all())
    unscaled = now.replace(velocities=state.velocities.view(-1, 2, 3)[now.aux[WALKERS]].view(-1, 3))
    assert max(p_values(unscaled)[4:]) < 1e-3
    torch.testing.assert_close(now.energy, Wells().evaluate(now).energy)
    torch.testing.assert_close(now.forces, Wells().evaluate(now).forces)


def test_permutations_have_their_weights_and_transitions_balance() -> None:
    """Three walkers of fixed energies: p(π) ~ exp(-Σ β_s E_π(s)), and N(π → π') = N(π' → π) for each kind of pairs."""
    ladders, steps = 400, 100
    temperatures = torch.tensor([200.0, 300.0, 500.0], dtype=torch.float64)
    state = argon(1, 3 * ladders)
    energies = torch.tensor([0.02, 0.05, 0.09], dtype=torch.float64)
    radius = (2 * energies).sqrt().repeat(ladders)
    state = state.replace(positions=radius[:, None] * torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64))
    exchange = ReplicaExchange(Still(temperatures.repeat(ladders)), every=1, ladders=ladders)
    now = exchange.init(state, Wells())
    orders = {order: number for number, order in enumerate(permutations(range(3)))}
    counts, last = np.zeros((2, 6, 6)), None
    seen = np.zeros((steps, ladders), dtype=int)
    for step in range(steps + 20):
        now = exchange.step(now, Wells(), 1.0)
        which = np.array([orders[tuple(row)] for row in (now.aux[WALKERS].view(-1, 3) % 3).tolist()])
        if step >= 20:
            np.add.at(counts[now.loop_step % 2], (last, which), 1)
            seen[step - 20] = which
        last = which
    beta = 1 / (KB * temperatures)
    weights = np.array([float(torch.exp(-(beta * energies[list(order)]).sum())) for order in orders])
    weights /= weights.sum()
    share = np.stack([(seen == k).mean(0) for k in range(6)])  # of each ladder
    errors = share.std(1, ddof=1) / ladders**0.5
    assert np.abs((share.mean(1) - weights) / errors).max() < 4
    assert weights.max() / weights.min() > 5
    moved = (counts + counts.transpose(0, 2, 1)) * (1 - np.eye(6))
    asymmetry = (counts - counts.transpose(0, 2, 1)) / np.sqrt(np.maximum(moved, 1))
    assert moved.sum() > 10_000 and np.abs(asymmetry).max() < 4.5


@pytest.mark.parametrize("dynamics", ["langevin", "csvr"])
def test_dynamics_and_exchanges_reach_canonical_distributions(dynamics) -> None:
    """From one point for all; where friction is weak, heat comes mostly by exchange."""
    ladders = 400
    wanted = LADDER.repeat(ladders)
    rule = Langevin(wanted, 0.002) if dynamics == "langevin" else Csvr(wanted, 200.0, com_removed=False)
    exchange = ReplicaExchange(rule, every=5, ladders=ladders)
    state = argon(2, len(wanted)).replace(positions=canonical(ladders).positions * 0.5)
    now = exchange.init(maxwell_boltzmann(state, 300.0, com_removed=False), Wells())
    first = exchange.conserved(now) if dynamics == "csvr" else None
    for _ in range(300):
        now = exchange.step(now, Wells(), 5.0)
    assert min(p_values(now)) > 1e-3
    if first is not None:  # heat goes with the configuration, and the scaling is heat
        drift = exchange.conserved(now) - first[now.aux[WALKERS]]
        assert float(drift.abs().max()) < 0.01 and float(now.aux["heat"].abs().mean()) > 0.02


class Umbrellas(Lonely):
    """½ k_s r² on each atom of place s."""

    def __init__(self, k: Tensor) -> None:
        super().__init__()
        self.k = k

    def energy(self, system, positions, cell, neighbours):
        return 0.5 * self.k * system.sum_over_atoms(positions.square().sum(1))


@pytest.mark.parametrize("temperatures", [LADDER, torch.full((4,), 300.0, dtype=torch.float64)])
def test_exchanges_of_hamiltonians_keep_canonical_distributions(temperatures) -> None:
    """From exact samples under springs of four strengths; a criterion without the strengths does not."""
    ladders, k = 1200, torch.tensor([1.0, 1.5, 2.5, 3.0], dtype=torch.float64)
    every, springs = temperatures.repeat(ladders), Umbrellas(k.repeat(ladders))
    state = maxwell_boltzmann(argon(2, len(every)), every, com_removed=False)
    width = (KB * every / springs.k).sqrt().repeat_interleave(2)[:, None]
    random = torch.Generator().manual_seed(11)
    state = state.replace(positions=width * torch.randn(state.positions.shape, generator=random, dtype=torch.float64))

    def moved(**options) -> State:
        exchange = ReplicaExchange(Still(every), every=1, ladders=ladders, **options)
        now = exchange.init(state, springs)
        for _ in range(30):
            now = exchange.step(now, springs, 1.0)
        assert bool(((exchange.acceptance(now) > 0.3) & (exchange.acceptance(now) < 1)).any(0).all())
        return now

    def worst(now: State) -> float:
        found = []
        for energies in (springs.evaluate(now).energy, kinetic_energy(now)):
            reduced = energies.view(-1, 4) / (KB * temperatures)
            found += [stats.kstest(column.numpy(), stats.gamma(3).cdf).pvalue for column in reduced.T]
        return min(found)

    now = moved(hamiltonians=True)
    assert worst(now) > 1e-3
    torch.testing.assert_close(now.energy, springs.evaluate(now).energy)
    torch.testing.assert_close(now.forces, springs.evaluate(now).forces)
    swapped = now.replace(positions=now.positions.view(-1, 4, 2, 3).flip(1).reshape(-1, 3))
    assert worst(swapped) < 1e-3


def test_permutations_under_hamiltonians_have_their_weights() -> None:
    """Three walkers that do not move: p(π) ~ exp(-Σ β_s U_s(x_π(s)))."""
    ladders, steps = 400, 100
    temperatures = torch.tensor([250.0, 250.0, 300.0], dtype=torch.float64)
    k = torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64)
    squares = torch.tensor([0.02, 0.06, 0.11], dtype=torch.float64)
    state = argon(1, 3 * ladders)
    along = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    state = state.replace(positions=squares.sqrt().repeat(ladders)[:, None] * along)
    exchange = ReplicaExchange(Still(temperatures.repeat(ladders)), every=1, ladders=ladders, hamiltonians=True)
    springs = Umbrellas(k.repeat(ladders))
    now = exchange.init(state, springs)
    orders = list(permutations(range(3)))
    seen = []
    for step in range(steps + 20):
        now = exchange.step(now, springs, 1.0)
        if step >= 20:
            which = (now.aux[WALKERS].view(-1, 3) % 3).tolist()
            seen.append([orders.index(tuple(row)) for row in which])
    share = np.stack([(np.array(seen) == m).mean(0) for m in range(6)])
    beta = 1 / (KB * temperatures)
    weights = np.array([float(torch.exp(-(beta * 0.5 * k * squares[list(order)]).sum())) for order in orders])
    weights /= weights.sum()
    errors = share.std(1, ddof=1) / ladders**0.5
    assert np.abs((share.mean(1) - weights) / errors).max() < 4 and weights.max() / weights.min() > 2


def test_heat_of_exchanged_hamiltonians() -> None:
    """What is conserved goes with the configuration, also where its potential is another one."""
    k, wanted = torch.tensor([1.0, 2.0]).repeat(50), torch.full((100,), 300.0)
    exchange = ReplicaExchange(Csvr(wanted, 200.0, com_removed=False), every=5, ladders=50, hamiltonians=True)
    springs = Umbrellas(k.double())
    now = exchange.init(maxwell_boltzmann(argon(2, 100), 300.0, com_removed=False), springs)
    first = exchange.conserved(now)
    for _ in range(100):
        now = exchange.step(now, springs, 5.0)
    drift = exchange.conserved(now) - first[now.aux[WALKERS]]
    assert float(drift.abs().max()) < 0.01 and bool((exchange.acceptance(now) > 0).any())
    assert not now.aux[WALKERS].equal(torch.arange(100))


class DoubleWell(Lonely):
    """a (x² - 1)² + t x + ½ k (y² + z²), wells of different depth at -1 and 1 Å."""

    a, tilt, k = 0.2, 0.008, 1.0

    def profile(self, x):
        return self.a * (x**2 - 1) ** 2 + self.tilt * x

    def energy(self, system, positions, cell, neighbours):
        x = positions[:, 0]
        return system.sum_over_atoms(self.profile(x) + 0.5 * self.k * positions[:, 1:].square().sum(1))


def test_a_barrier_that_plain_dynamics_does_not_cross() -> None:
    """15 k_B T at the lowest temperature; all begin in the left well."""
    ladders, potential, ladder = 40, DoubleWell(), geometric_ladder(150.0, 1500.0, 6)
    wanted = ladder.repeat(ladders)
    state = argon(1, len(wanted))
    state = state.replace(positions=state.positions - torch.tensor([1.0, 0, 0], dtype=torch.float64))
    state = maxwell_boltzmann(state, wanted, com_removed=False)

    def right(integrator, steps: int) -> np.ndarray:
        """Share of time in the right well at the lowest temperature, of each ladder, after the first 600 steps."""
        now, seen = integrator.init(state, potential), []
        for step in range(steps):
            now = integrator.step(now, potential, 15.0)
            if step >= 600 and step % 5 == 0:
                seen.append((now.positions[::6, 0] > 0).double())
        return torch.stack(seen).mean(0).numpy()

    def weight(low: float, high: float) -> float:
        return integrate.quad(lambda x: np.exp(-potential.profile(x) / (KB * 150.0)), low, high, points=[-1, 1])[0]

    plain, expected = Langevin(wanted, 0.01), weight(0, 3) / (weight(0, 3) + weight(-3, 0))
    with torch.no_grad():
        assert right(plain, 650).mean() < 0.02 < expected / 5
        found = right(ReplicaExchange(plain, every=5, ladders=ladders), 1600)
    error = found.std(ddof=1) / ladders**0.5
    assert error < 0.03 and abs(found.mean() - expected) < 4 * error


class Power(Exception):
    """The lights go out."""


class Fails(Observer):
    every = 1

    def __init__(self, at):
        self.at = at

    def __call__(self, state, evaluation):
        if state.loop_step == self.at:
            raise Power


@pytest.mark.parametrize("at", [13, 31])
def test_a_resumed_run_has_the_same_bits_and_the_same_log(at, tmp_path) -> None:
    exchange = ReplicaExchange(Csvr(torch.tensor([300.0, 310.0, 330.0, 360.0]), 50.0), every=2)
    state = maxwell_boltzmann(State.from_atoms([water()] * 4, seed=5), 300.0)

    def go(name: str, fails: int) -> State:
        observers = [Record(exchange.table, 4, tmp_path / f"{name}.csv", exchange.COLUMNS), Fails(fails)]
        arguments = dict(observers=observers, checkpoint=tmp_path / name, checkpoint_every=6)
        return simulate(state, water_springs(replicas=4), exchange, 40, 0.5, **arguments)

    whole = go("whole", -1)
    with pytest.raises(Power):
        go("cut", at)
    again = go("cut", -1)
    assert again.positions.equal(whole.positions) and again.velocities.equal(whole.velocities)
    assert again.aux.keys() == whole.aux.keys() and all(
        again.aux[name].equal(value) for name, value in whole.aux.items()
    )
    assert (tmp_path / "cut.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not whole.aux[WALKERS].equal(torch.arange(4)) and 0 < float(exchange.acceptance(whole).mean()) <= 1


def test_round_trips_are_counted_and_walkers_stay_in_their_ladder() -> None:
    """Against a count from the record of who was where; two ladders, of different systems."""
    frames = [Atoms("Ar2", [[0, 0, 0], [0, 1, 0]])] * 3 + [water()] * 3
    state = State.from_atoms(frames, seed=1)
    exchange = ReplicaExchange(Still(torch.tensor([300.0, 301.0, 302.0] * 2)), every=1, ladders=2)
    now, seen = exchange.init(state, Lonely()), []
    for _ in range(60):
        now = exchange.step(now, Lonely(), 1.0)
        seen.append(now.aux[WALKERS].tolist())
    assert all(sorted(row[:3]) == [0, 1, 2] and sorted(row[3:]) == [3, 4, 5] for row in seen)
    history = np.array([list(range(6)), *seen])
    for walker in range(6):
        ladder = history[:, :3] if walker < 3 else history[:, 3:]
        places = (ladder == walker).argmax(1)
        last, trips = None, 0
        for place in places:
            if place == 0:
                trips, last = trips + (last == "hot"), "cold"
            elif place == 2 and last is not None:
                last = "hot"
        assert int(exchange.round_trips(now).flatten()[walker]) == trips
    assert int(exchange.round_trips(now).sum()) > 20 and bool((exchange.acceptance(now) == 1).all())


def test_goes_on_from_other_dynamics_and_leaves_the_global_generator() -> None:
    rule, state = Langevin(LADDER, 0.01), canonical(1)
    before = torch.random.get_rng_state()
    begun = simulate(state, Wells(), rule, 5, 1.0)
    end = simulate(begun, Wells(), ReplicaExchange(rule, every=1), 20, 1.0)
    assert int(end.aux["exchange.attempts"].sum()) == 30 and torch.equal(torch.random.get_rng_state(), before)
    with pytest.raises(LabkitError, match="ones that ascend"):  # also where the state comes from another exchange
        simulate(end, Wells(), ReplicaExchange(Langevin(LADDER.flip(0)), every=1), 1, 1.0)


def test_many_steps_at_once_are_the_same_as_one_by_one() -> None:
    temperatures = geometric_ladder(300.0, 1200.0, 4).repeat(2)
    state, forcefield = chain(8)
    exchange = ReplicaExchange(Langevin(temperatures, 0.01), every=7, ladders=2)
    state = exchange.init(maxwell_boltzmann(state, temperatures), forcefield)
    single = state
    for _ in range(40):
        single = exchange.step(single, forcefield, 2.0)
    with torch.no_grad():
        several = exchange.advance(state, forcefield, 2.0, 40)
    assert several.loop_step == 40 and several.aux.keys() == single.aux.keys()
    for name, value in single.aux.items():
        torch.testing.assert_close(several.aux[name], value)
    torch.testing.assert_close(several.positions, single.positions)
    assert 0 < int(several.aux["exchange.accepted"].sum()) < int(several.aux["exchange.attempts"].sum())


def test_ladder() -> None:
    assert geometric_ladder(300.0, 600.0, 5).log().diff().numpy() == pytest.approx(np.log(2) / 4)
    with pytest.raises(LabkitError, match="0 < low < high"):
        geometric_ladder(300.0, 300.0, 4)


def test_bad_input() -> None:
    def refused(match, integrator, state=None, potential=None, **more):
        with pytest.raises(LabkitError, match=match):
            ReplicaExchange(integrator, **more).init(argon(2, 4) if state is None else state, potential or Wells())

    refused("VelocityVerlet has no temperature", VelocityVerlet())
    refused("has a pressure", CellRescaling(LADDER, 1e-4))
    refused("batch holds 4 systems", Langevin(LADDER[:3]))
    refused("expected positive ones that ascend", Langevin(300.0))
    refused("expected positive ones that ascend", Langevin(LADDER.flip(0)))
    refused("4 systems, 3 ladders", Langevin(LADDER), ladders=3)
    refused("every 0 steps", Langevin(LADDER), every=0)
    refused("systems 0 and 1 of one ladder differ", Langevin(LADDER[:2]), State.from_atoms([water(), Atoms("Ar3")]))
    refused("systems 0 and 1 of one ladder differ", Langevin(LADDER[:2]), State.from_atoms([water(), Atoms("Ar")]))

    class Unequal(Wells):
        def energy(self, system, positions, cell, neighbours):
            return super().energy(system, positions, cell, neighbours) + torch.arange(4)

    # wells of ½ k r², k = 1 eV/Å², and an atom at 0.01 Å
    apart = "5e-05 eV as system 0 and 1.00005 eV as system 1; expected one potential"
    refused(apart, Langevin(LADDER), None, Unequal())
