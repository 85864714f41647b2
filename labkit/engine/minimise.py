"""The nearest minimum of each system of a batch: FIRE and L-BFGS."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from labkit.base import NO_PROGRESS, Potential, Progress, State, System
from labkit.engine.constraints import Constraints
from labkit.engine.left_out import left_out
from labkit.engine.motion import evaluated, per_atom
from labkit.engine.whole import whole
from labkit.errors import LabkitError, Stopped


def fire(
    state: State,
    potential: Potential,
    *,
    fmax: float = 0.01,
    steps: int = 1000,
    max_step: float = 0.2,
    constraints: Constraints | None = None,
    progress: Progress = NO_PROGRESS,
) -> State:
    """Move downhill like a heavy ball that stops when it climbs, until no force is above `fmax` [eV/Å].

    v <- (1 - α) v + α |v| F/|F| while F·v > 0, with growing timestep; else v <- 0 and a shorter one. Robust far from a
    minimum. Converged systems stay put, and so do held atoms, whose forces do not count. No atom moves more than
    `max_step` [Å] in one step.

    Returns the state with positions, forces and energies of the last evaluation; `largest_force`
    tells whether `steps` were enough. Raises Stopped(partial=state so far) when progress asks for it, LabkitError for
    forces that are not finite. Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006), with the parameters of ASE.

    >>> relaxed = fire(state, potential, fmax=0.005)  # doctest: +SKIP
    """
    return _minimised(_Fire(max_step), state, potential, fmax, steps, constraints, progress)


def lbfgs(
    state: State,
    potential: Potential,
    *,
    fmax: float = 0.01,
    steps: int = 1000,
    max_step: float = 0.2,
    memory: int = 20,
    constraints: Constraints | None = None,
    progress: Progress = NO_PROGRESS,
) -> State:
    """Quasi-Newton steps from the last `memory` changes of the forces, until no force is above `fmax` [eV/Å].

    A step that raises the energy is rejected, and the system starts again with a shorter one. Fewest evaluations near
    a minimum. Arguments, result and errors as in `fire`.

    Liu and Nocedal, Math. Program. 45, 503 (1989).

    >>> relaxed = lbfgs(state, potential, fmax=1e-4)  # doctest: +SKIP
    """
    return _minimised(_Lbfgs(max_step, memory), state, potential, fmax, steps, constraints, progress)


def largest_force(state: State, constraints: Constraints | None = None) -> Tensor:
    """The largest force on a free atom of each system, without components along constraints, (S,) eV/Å."""
    forces = _free_forces(state, constraints)
    largest = forces.new_zeros(state.system.n_systems)
    return largest.scatter_reduce(0, state.system.index, forces.norm(dim=1), "amax")


def _free_forces(state: State, constraints: Constraints | None) -> Tensor:
    """Forces (n, 3) without those on held atoms and the components along constraints."""
    system, forces = state.system, state.forces
    if system.any_held:
        forces = torch.where(system.held[:, None], 0.0, forces)
    if constraints is None:
        return forces
    return constraints.velocities(state.positions, forces, _equal_masses(system))


def _equal_masses(system: System) -> Tensor:
    """1 for each atom that can move: a minimum does not depend on masses."""
    ones = torch.ones_like(system.masses)
    return torch.where(system.held, system.masses, ones) if system.any_held else ones


@torch.no_grad()
def _minimised(
    rule: _Fire | _Lbfgs,
    state: State,
    potential: Potential,
    fmax: float,
    steps: int,
    constraints: Constraints | None,
    progress: Progress,
) -> State:
    if not fmax > 0:
        raise LabkitError(f"fmax is {fmax} eV/Å; expected a positive number such as 0.01")
    ones = _equal_masses(state.system)
    if (said := left_out(potential, constraints)) is not None:
        warnings.warn(said, stacklevel=3)
    if constraints is not None:
        state = whole(state, constraints)
        constraints.check(state.system, state.positions)
        state = state.replace(positions=constraints.positions(state.positions, state.positions, ones))
    state = evaluated(state, potential)
    for step in range(steps):
        largest = largest_force(state, constraints)
        _check_finite(largest, step)
        active = largest > fmax
        if not bool(active.any()):
            break
        if progress.should_stop():
            raise Stopped(partial=state)
        progress.update(step, steps, fmax=float(largest.max()), converged=int((~active).sum()))
        base, move = rule.propose(state, _free_forces(state, constraints))
        moved = torch.where(per_atom(active, state), base + move, state.positions)
        if constraints is not None:
            moved = constraints.positions(base, moved, ones, step)
        # the step of `state` stays: a minimum has no time
        state = evaluated(state.replace(positions=moved), potential)
    else:
        if rule.last is not None:  # the last trial may have gone uphill
            worse = per_atom(state.energy > rule.last[2], state)
            state = evaluated(state.replace(positions=torch.where(worse, rule.last[0], state.positions)), potential)
    progress.update(steps, steps)
    return state


def _check_finite(largest: Tensor, step: int) -> None:
    lost = torch.nonzero(~torch.isfinite(largest))
    if len(lost):
        raise LabkitError(
            f"minimisation, step {step}: the forces on system {int(lost[0])} are not finite; atoms may overlap, or the "
            "potential has a hole; start from another geometry"
        )


def _capped(move: Tensor, state: State, limit: Tensor) -> Tensor:
    """The moves of a system shortened together so that none is longer than its limit (S,)."""
    longest = move.new_zeros(state.system.n_systems).scatter_reduce(0, state.system.index, move.norm(dim=1), "amax")
    return move * per_atom((limit / longest.clamp_min(1e-300)).clamp_max(1.0), state)


def _dot(state: State) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda a, b: state.system.sum_over_atoms((a * b).sum(1))


@dataclass
class _Fire:
    """Velocities (n, 3), and of each system timestep, mixing α and the number of downhill steps."""

    max_step: float
    velocities: Tensor | None = None
    last: None = None  # FIRE never goes back

    def propose(self, state: State, forces: Tensor) -> tuple[Tensor, Tensor]:
        dot = _dot(state)
        if self.velocities is None:
            one = forces.new_ones(state.system.n_systems)
            self.velocities, self.dt, self.mix, self.downhill = torch.zeros_like(forces), 0.1 * one, 0.1 * one, 0 * one
        v = self.velocities
        good = dot(forces, v) > 0
        speed = (dot(v, v) / dot(forces, forces).clamp_min(1e-300)).sqrt()
        mixed = per_atom(1 - self.mix, state) * v + per_atom(self.mix * speed, state) * forces
        v = torch.where(per_atom(good, state), mixed, 0.0)
        late = good & (self.downhill > 5)
        started = dot(self.velocities, self.velocities) > 0
        shorter = torch.where(started, 0.5 * self.dt, self.dt)  # the first step is neither uphill nor downhill
        self.dt = torch.where(good, torch.where(late, (1.1 * self.dt).clamp_max(1.0), self.dt), shorter)
        self.mix = torch.where(good, torch.where(late, 0.99 * self.mix, self.mix), 0.1)
        self.downhill = torch.where(good, self.downhill + 1, 0.0)
        self.velocities = v + per_atom(self.dt, state) * forces
        limit = torch.full_like(self.dt, self.max_step)
        return state.positions, _capped(per_atom(self.dt, state) * self.velocities, state, limit)


@dataclass
class _Lbfgs:
    """The last accepted positions, forces and energies, and pairs of changes s, y with 1/(s·y), zero where none."""

    max_step: float
    memory: int
    pairs: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)
    last: tuple[Tensor, Tensor, Tensor] | None = None

    def propose(self, state: State, forces: Tensor) -> tuple[Tensor, Tensor]:
        dot, energy = _dot(state), state.energy
        if self.last is None:
            self.limit = torch.full_like(energy, self.max_step)
            self.scale = torch.full_like(energy, 1.0 / 70.0)  # Å²/eV: a stiff bond, as ASE takes it
            self.last = (state.positions, forces, energy)
        else:
            self._learn(state, forces, energy)
        positions, forces, _ = self.last
        q, kept = forces, []
        for s, y, rho in reversed(self.pairs):
            a = rho * dot(s, q)
            q = q - per_atom(a, state) * y
            kept.append(a)
        q = per_atom(self.scale, state) * q
        for (s, y, rho), a in zip(self.pairs, reversed(kept), strict=True):
            q = q + per_atom(a - rho * dot(y, q), state) * s
        return positions, _capped(q, state, self.limit)

    def _learn(self, state: State, forces: Tensor, energy: Tensor) -> None:
        before, old_forces, old_energy = self.last
        dot = _dot(state)
        # near a minimum the energy's own rounding must not count as uphill
        slack = 1e-10 * (1 + old_energy.abs())
        good = energy <= old_energy + slack
        s, y = state.positions - before, old_forces - forces
        sy, yy = dot(s, y), dot(y, y)
        useful = good & (sy > 1e-12 * yy.clamp_min(1e-300))
        rho = torch.where(useful, 1 / torch.where(useful, sy, 1.0), 0.0)
        self.scale = torch.where(useful, sy / yy.clamp_min(1e-300), self.scale)
        # uphill: forget what led there, and take a shorter step from where it began
        self.pairs = [(s_, y_, torch.where(good, r_, 0.0)) for s_, y_, r_ in self.pairs[-self.memory + 1 :]]
        self.pairs.append((s, y, rho))
        self.limit = torch.where(good, (2 * self.limit).clamp_max(self.max_step), 0.25 * self.limit)
        at = per_atom(good, state)
        self.last = (
            torch.where(at, state.positions, before),
            torch.where(at, forces, old_forces),
            torch.where(good, energy, old_energy),
        )
