"""Replica exchange: replicas in a batch exchange configurations between neighbouring temperatures or potentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from labkit.base import Integrator, Potential, State, System
from labkit.engine import noise
from labkit.engine.constraints import Constraints
from labkit.engine.kinetic import kinetic_energy
from labkit.engine.motion import evaluated, per_atom
from labkit.errors import LabkitError
from labkit.units import KB

#: Entries of aux. By place: its walker, attempts and successes of the pair with the place above; by walker: the end it
#: visited last (1 cold, -1 hot, 0 neither) and how often it returned to the cold end from the hot one.
WALKERS, ATTEMPTS, ACCEPTED, LAST_END, ROUND_TRIPS = (
    f"exchange.{name}" for name in ("walkers", "attempts", "accepted", "last_end", "round_trips")
)


@dataclass(frozen=True, eq=False)
class ReplicaExchange(Integrator):
    """Dynamics at S temperatures in which neighbours i, j exchange configurations with the probability

    min(1, exp(β_i [U_i(x_i) - U_i(x_j)] + β_j [U_j(x_j) - U_j(x_i)])),  β = 1/k_B T,

    every `every` steps, pairs (0, 1), (2, 3), ... and (1, 2), (3, 4), ... in turn. Temperatures and potentials
    stay with their places s; positions, velocities times sqrt(T_new/T_old), and the entries of aux of a system change
    place. The noise is a function of (seed, step).

    integrator   dynamics of constant volume and temperature, whose `temperature` (S,) K ascends in each ladder
    every        steps between two attempts
    ladders      independent ladders in one batch, S/ladders replicas each, one after the other; each may be another
                 system, while all replicas of one are the same
    hamiltonians False: one potential for all, and the exponent is (β_i - β_j)(U_i - U_j). True: each place has its
                 own potential, as in umbrella sampling; an attempt costs one more evaluation, and temperatures may
                 be equal

    `acceptance`, `round_trips` and `table` are the statistics, the last also as
    `Record(exchange.table, 100, "exchange.csv", exchange.COLUMNS)`. Sugita and Okamoto, Chem. Phys. Lett. 314, 141
    (1999); Sugita, Kitao and Okamoto, J. Chem. Phys. 113, 6042 (2000). Raises LabkitError for dynamics without
    temperature or with pressure, temperatures of a wrong number or not in ascending order, replicas that differ in
    atoms, cell or the places of held atoms, and replicas that differ in energy without `hamiltonians`.

    >>> warm = Langevin(geometric_ladder(300.0, 450.0, 8), friction=0.001)  # doctest: +SKIP
    >>> exchange = ReplicaExchange(warm, every=100)  # doctest: +SKIP
    """

    integrator: Integrator
    every: int = 100
    ladders: int = 1
    hamiltonians: bool = False

    COLUMNS: ClassVar[tuple[str, ...]] = ("walker", "attempts", "accepted", "round_trips_of_walker")

    def init(self, state: State, potential: Potential) -> State:
        if WALKERS in state.aux:  # of an earlier run, perhaps with other ladders
            self._check(state, potential)
        return self.integrator.init(self._counting(state, potential), potential)

    def step(self, state: State, potential: Potential, dt: float) -> State:
        moved = self.integrator.step(self._counting(state, potential), potential, dt)
        return moved if moved.loop_step % self.every else self._exchanged(moved, potential, state)

    def advance(self, state: State, potential: Potential, dt: float, steps: int) -> State:
        """Many steps, faster if the potential is compiled."""
        last = state.loop_step + steps
        while (now := state.loop_step) < last:
            quiet = min(self.every - 1 - now % self.every, last - now)
            state = self.integrator.advance(self._counting(state, potential), potential, dt, quiet) if quiet else state
            state = self.step(state, potential, dt) if state.loop_step < last else state
        return state

    def acceptance(self, state: State) -> Tensor:
        """Share of accepted exchanges of each place with the one above, (ladders, S/ladders - 1); NaN before any."""
        accepted, attempts = (self._rows(state.aux[name])[:, :-1] for name in (ACCEPTED, ATTEMPTS))
        return accepted / attempts

    def round_trips(self, state: State) -> Tensor:
        """How often each walker has gone from the coldest place to the hottest and back, (ladders, S/ladders)."""
        return self._rows(state.aux[ROUND_TRIPS])

    def table(self, state: State) -> Tensor:
        """COLUMNS for each place, (S, 4): its walker, counts of the pair with the place above, the walker's trips."""
        walkers, attempts, accepted = (state.aux[name] for name in (WALKERS, ATTEMPTS, ACCEPTED))
        return torch.stack([walkers, attempts, accepted, state.aux[ROUND_TRIPS][walkers]], 1)

    @property
    def constraints(self) -> Constraints | None:
        """Those of the integrator."""
        return self.integrator.constraints

    @property
    def evaluations(self) -> int:
        """Those of the integrator."""
        return self.integrator.evaluations

    def degrees_of_freedom(self, system: System) -> Tensor:
        return self.integrator.degrees_of_freedom(system)

    def bath(self, state: State) -> Tensor:
        return self.integrator.bath(state)

    def conserved(self, state: State) -> Tensor | None:
        """That of the integrator; it moves with the configuration to its new place."""
        return self.integrator.conserved(state)

    def _exchanged(self, state: State, potential: Potential, before: State) -> State:
        temperatures = self.integrator.bath(state)
        tried, trial = self._lower(state), None
        if self.hamiltonians:
            trial = self._permuted(state, self._source(tried), temperatures)
            trial = evaluated(trial, potential)
            change = self._rows((state.energy - trial.energy) / (KB * temperatures))
            exponent = change + change.roll(-1, 1)
        else:
            beta, energy = self._rows(1 / (KB * temperatures)), self._rows(state.energy)
            exponent = (beta - beta.roll(-1, 1)) * (energy - energy.roll(-1, 1))
        random = noise.uniform(before, noise.EXCHANGE, exponent.numel()).reshape(exponent.shape)
        swap = tried & (random.log() < exponent)
        source = self._source(swap)
        after = self._permuted(state, source, temperatures)
        if trial is not None:  # new configurations have new forces
            new = source != torch.arange(len(source), device=source.device)
            energy, aux = torch.where(new, trial.energy, state.energy), dict(after.aux)
            if "heat" in aux:  # so is the energy of the same configuration in another potential
                aux["heat"] = aux["heat"] + energy - state.energy[source]
            forces = torch.where(new[state.system.index, None], trial.forces, state.forces)
            after = after.replace(forces=forces, energy=energy, aux=aux)
        return self._counted(after, tried, swap)

    def _source(self, swap: Tensor) -> Tensor:
        """From which place (S,) each place gets its configuration; `swap` marks lower places, (ladders, S/ladders)."""
        # the upper place of a pair is one to the right; the last column is never a lower place, so nothing wraps around
        moves = swap.long() - swap.roll(1, 1).long()
        return torch.arange(moves.numel(), device=moves.device) + moves.flatten()

    def _lower(self, state: State) -> Tensor:
        """Which places are the lower ones of a pair at this step, (ladders, S/ladders)."""
        shape = self.ladders, state.system.n_systems // self.ladders
        place = torch.arange(shape[1], device=state.positions.device)
        parity = state.loop_step // self.every % 2
        return ((place % 2 == parity) & (place + 1 < shape[1])).expand(shape)

    def _permuted(self, state: State, source: Tensor, temperatures: Tensor) -> State:
        """The state in which each place s has the configuration of place source[s]."""
        system = state.system
        first = system.counts.cumsum(0) - system.counts
        shift = (first[source] - first).index_select(0, system.index)
        atoms = torch.arange(system.n_atoms, device=shift.device) + shift
        stay = (ATTEMPTS, ACCEPTED, LAST_END, ROUND_TRIPS)  # of places or walkers, not of configurations
        aux = {k: v if k in stay else v.index_select(0, source) for k, v in state.aux.items()}
        scale = (temperatures / temperatures[source]).sqrt()
        after = state.replace(
            positions=state.positions.index_select(0, atoms),
            velocities=per_atom(scale, state) * state.velocities.index_select(0, atoms),
            forces=state.forces.index_select(0, atoms),
            energy=state.energy.index_select(0, source),
            aux=aux,
            atom_aux={k: v.index_select(0, atoms) for k, v in state.atom_aux.items()},
        )
        if "heat" in aux:  # the scaling, too, counts as heat from the thermostats
            aux["heat"] = aux["heat"] + kinetic_energy(after) - kinetic_energy(state)[source]
        return after

    def _counted(self, state: State, tried: Tensor, swap: Tensor) -> State:
        aux = dict(state.aux)
        aux[ATTEMPTS] = aux[ATTEMPTS] + tried.flatten()
        aux[ACCEPTED] = aux[ACCEPTED] + swap.flatten()
        walkers = self._rows(aux[WALKERS])
        cold, hot = walkers[:, 0], walkers[:, -1]
        back = (aux[LAST_END][cold] == -1).long()
        aux[ROUND_TRIPS] = aux[ROUND_TRIPS].index_add(0, cold, back)
        # a round trip begins at the cold end: a walker that was never there has not gone from it to the hot end
        seen = aux[LAST_END].index_fill(0, cold, 1)
        aux[LAST_END] = seen.index_copy(0, hot, -seen[hot].abs())
        return state.replace(aux=aux)

    def _rows(self, values: Tensor) -> Tensor:
        return values.reshape(self.ladders, -1)

    def _counting(self, state: State, potential: Potential) -> State:
        """The state with its counters; it is checked if it has none."""
        if WALKERS in state.aux:
            return state
        self._check(state, potential)
        walkers = torch.arange(state.system.n_systems, device=state.positions.device)
        counters = {name: torch.zeros_like(walkers) for name in (ATTEMPTS, ACCEPTED, LAST_END, ROUND_TRIPS)}
        counters[LAST_END][self._rows(walkers)[:, 0]] = 1
        return state.replace(aux={**state.aux, WALKERS: walkers, **counters})

    def _check(self, state: State, potential: Potential) -> None:
        kind, n = type(self.integrator).__name__, state.system.n_systems
        bath = self.integrator.bath(state)
        if bath is None:
            raise LabkitError(f"ReplicaExchange: {kind} has no temperature; use Langevin or Csvr with one per replica")
        if self.integrator.cell_moves:
            raise LabkitError(f"ReplicaExchange: {kind} has a pressure; expected dynamics of constant volume")
        if not (self.every >= 1 and self.ladders >= 1) or n % self.ladders or n < 2 * self.ladders:
            raise LabkitError(
                f"ReplicaExchange: {n} systems, {self.ladders} ladders, every {self.every} steps; expected ladders of "
                "one size, two replicas or more, and a whole number of steps from 1"
            )
        temperatures = self._rows(bath)
        if self.hamiltonians and not bool((temperatures > 0).all()):
            raise LabkitError(f"ReplicaExchange: temperatures {temperatures.tolist()} K; expected positive ones")
        if not self.hamiltonians and not bool((temperatures[:, 0] > 0).all() and (temperatures.diff(dim=1) > 0).all()):
            raise LabkitError(
                f"ReplicaExchange: temperatures {temperatures.tolist()} K; expected positive ones that ascend in each "
                "ladder, as from geometric_ladder(300.0, 450.0, 8)"
            )
        twin = _check_replicas(state, n // self.ladders)
        if not self.hamiltonians:
            _check_potential(state, potential, n // self.ladders, twin)


def geometric_ladder(low: float, high: float, replicas: int) -> Tensor:
    """T_k = low (high/low)^(k/(R - 1)), (R,) K: equal acceptance of all pairs if the heat capacity is constant.

    Raises LabkitError unless 0 < low < high and there are two replicas or more.

    >>> geometric_ladder(300.0, 1200.0, 3).tolist()
    [300.0, 600.0, 1200.0]
    """
    if not (0 < low < high and replicas >= 2):
        raise LabkitError(f"ladder from {low} to {high} K, {replicas} replicas; expected 0 < low < high and 2 or more")
    return low * (high / low) ** torch.linspace(0, 1, replicas, dtype=torch.float64)


def _check_replicas(state: State, replicas: int) -> Tensor:
    """Raise LabkitError unless each run of `replicas` systems is one system; return each atom's twin in the first."""
    system, counts = state.system, state.system.counts
    leader = torch.arange(len(counts), device=counts.device) // replicas * replicas
    unequal = counts != counts[leader]
    if not bool(unequal.any()):
        first = counts.cumsum(0) - counts
        twin = torch.arange(system.n_atoms, device=counts.device) + (first[leader] - first)[system.index]
        other = (system.numbers != system.numbers[twin]) | (system.masses != system.masses[twin])
        other = other | (system.types != system.types[twin])
        unequal = system.sum_over_atoms(other.long()) > 0
        unequal = unequal | ((state.cell != state.cell[leader]).any(2) | (system.pbc != system.pbc[leader])).any(1)
    if bool(unequal.any()):
        s = int(unequal.nonzero()[0])
        raise LabkitError(
            f"ReplicaExchange: systems {int(leader[s])} and {s} of one ladder differ in atoms, masses or cell; "
            "expected replicas of one system, as from State.from_atoms([atoms] * S)"
        )
    if system.any_held:
        away = system.held & (state.positions != state.positions[twin]).any(1)
        if bool(away.any()):
            atom = int(away.nonzero()[0])
            s = int(system.index[atom])
            raise LabkitError(
                f"ReplicaExchange: atom {atom - system.offsets[s]} is held at other positions in systems "
                f"{int(leader[s])} and {s} of one ladder, which would exchange them; expected the same to the bit, as "
                "from State.from_atoms([atoms] * S)"
            )
    return twin


def _check_potential(state: State, potential: Potential, replicas: int, twin: Tensor) -> None:
    """Raise LabkitError if the same positions have another energy in another replica."""
    counts = state.system.counts
    leader = torch.arange(len(counts), device=counts.device) // replicas * replicas
    with torch.no_grad():
        alike = potential.evaluate(state.replace(positions=state.positions[twin]), forces=False).energy
    potential.reset()  # the run builds its own lists
    tolerance = 1e-3 * counts * torch.finfo(alike.dtype).eps ** 0.5 + 1e-6 * alike.abs()
    apart = ((alike - alike[leader]).abs() > tolerance).nonzero()
    if len(apart):
        s = int(apart[0])
        raise LabkitError(
            f"ReplicaExchange: the same positions have {float(alike[leader[s]]):.6g} eV as system {int(leader[s])} and "
            f"{float(alike[s]):.6g} eV as system {s}; expected one potential for all replicas, such as "
            "forcefield.repeat(S), or ReplicaExchange(..., hamiltonians=True)"
        )
