"""Constant pressure and temperature: stochastic cell rescaling, isotropic."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.base import Integrator, Potential, State
from labkit.engine import noise
from labkit.engine.constraints import Constraints
from labkit.engine.held import refuse_held
from labkit.engine.langevin import Langevin
from labkit.engine.motion import evaluated, per_atom, per_system
from labkit.errors import LabkitError
from labkit.units import GPA, KB, KINETIC


@dataclass(frozen=True, eq=False)
class CellRescaling(Integrator):
    """Langevin dynamics (BAOAB) with a fluctuating cell, so that volumes have the NPT distribution.

    With λ = sqrt(V), whose noise does not depend on the volume, every `every` steps

    dλ = -(λ β/2τ) (P₀ - P - k_B T/2V) dt + sqrt(k_B T β/2τ) dW,  P = (2K - ∂E/∂ε)/3V (ε a linear strain).

    Centres r of clusters of constraints (atoms, if there are none) go to μ r and their velocities to v/μ with
    μ = (V'/V)^⅓, so that rigid molecules stay rigid; K and ∂E/∂ε are those of such centres.
    aux["stress"] is set after each change of the cell.

    temperature     K, a number or (S,)
    pressure        P₀ in GPa (1 bar is 1e-4), a number or (S,)
    friction        of the Langevin thermostat, 1/fs
    time            τ in fs, the relaxation time of the volume if `compressibility` is right
    compressibility β in 1/GPa (water: 0.45); a rough value changes the rate, not the distribution, as long as the
                    volume hardly moves between two changes: β K dt every/2τ << 1, K the modulus of compression
    every           steps between changes of the cell; the forces are computed again after each

    Bernetti and Bussi, J. Chem. Phys. 153, 114107 (2020). Raises LabkitError for a batch that is not periodic in all
    directions, for held atoms, and for parameters that are not positive.

    >>> ambient = CellRescaling(temperature=300.0, pressure=1e-4)
    """

    cell_moves = True

    temperature: float | Tensor
    pressure: float | Tensor
    friction: float | Tensor = 0.001
    time: float = 1000.0
    compressibility: float = 0.45
    every: int = 10
    constraints: Constraints | None = None

    def init(self, state: State, potential: Potential) -> State:
        if not (self.time > 0 and self.compressibility > 0 and self.every >= 1):
            found = f"time {self.time} fs, compressibility {self.compressibility} 1/GPa, every {self.every} steps"
            raise LabkitError(f"CellRescaling: {found}; expected positive numbers")
        per_system(self.pressure, state, "pressure")
        refuse_held(
            state.system,
            "CellRescaling",
            "a changing cell moves all atoms with it: find the volume with all atoms free, then use Langevin or "
            "Csvr, which do not change it",
        )
        shut = state.system.pbc.all(1)
        if not bool(shut.all()):
            raise LabkitError(
                f"CellRescaling: system {int((~shut).nonzero()[0])} is not periodic in all directions, so it has no "
                "pressure; use Langevin, or give it a cell and pbc=True"
            )
        # a potential without stress fails now, not at the first change of the cell
        return evaluated(self._langevin.init(state, potential), potential, stress=True)

    def step(self, state: State, potential: Potential, dt: float) -> State:
        due = (state.step + 1) % self.every == 0
        moved = self._langevin.advanced(state, potential, dt, stress=bool(due.any()))
        if not bool(due.any()):
            return moved
        rescaled = State.where(due, self._rescaled(moved, dt * self.every, state.step), moved)
        return evaluated(rescaled, potential, stress=True)

    def advance(self, state: State, potential: Potential, dt: float, steps: int) -> State:
        """Many steps, faster if the potential is compiled: all but those at whose end the cell changes."""
        last = state.loop_step + steps
        while (now := state.loop_step) < last:
            quiet = min(self.every - 1 - int((state.step % self.every).max()), last - now)
            state = self._langevin.advance(state, potential, dt, quiet) if quiet else state
            state = self.step(state, potential, dt) if state.loop_step < last else state
        return state

    def bath(self, state: State) -> Tensor:
        return per_system(self.temperature, state, "temperature")

    @property
    def _langevin(self) -> Langevin:
        return Langevin(self.temperature, self.friction, self.constraints)

    def _rescaled(self, state: State, dt: float, step: Tensor) -> State:
        thermal = KB * per_system(self.temperature, state, "temperature")
        excess = GPA * per_system(self.pressure, state, "pressure")
        middles, momenta, _ = centres(state, self.constraints)
        volume = state.volume()
        excess = excess - internal_pressure(state, self.constraints) - thermal / (2 * volume)
        rate = self.compressibility / GPA / (2 * self.time)
        root = volume.sqrt()
        kick = noise.normal_of_systems(state, noise.BAROSTAT, step=step)[:, 0]
        grown = (root - dt * rate * root * excess + (dt * rate * thermal).sqrt() * kick) / root
        factor = grown.square().pow(1 / 3)
        each = per_atom(factor, state)
        return state.replace(
            positions=state.positions + (each - 1) * middles,
            velocities=state.velocities + (1 / each - 1) * momenta / state.system.masses[:, None],
            cell=state.cell * factor[:, None, None],
        )


def centres(state: State, constraints: Constraints | None) -> tuple[Tensor, Tensor, Tensor]:
    """For each atom its cluster's centre, its mass times the centre's velocity, and its vector from the centre."""
    masses = state.system.masses[:, None]
    if constraints is None:
        return state.positions, masses * state.velocities, torch.zeros_like(state.positions)
    group = constraints.groups(state.system)

    def mean(values: Tensor) -> Tensor:
        total = torch.zeros_like(values).index_add(0, group, masses * values)
        weight = torch.zeros_like(masses).index_add(0, group, masses)
        return total.index_select(0, group) / weight.index_select(0, group)

    middle = mean(state.positions)
    return middle, masses * mean(state.velocities), state.positions - middle


def internal_pressure(state: State, constraints: Constraints | None = None) -> Tensor:
    """P = (2K - tr(σ) V - Σ F·d)/3V, (S,) eV/Å^3, of a state with forces F and aux["stress"] σ.

    K is the kinetic energy of the centres of clusters of `constraints` and d (n, 3) Å the vector of each atom from
    its centre: constraint forces, which no potential contains, do not act on a centre. Without constraints each atom is
    its own centre. Raises LabkitError for held atoms: they do not follow a strain of the cell.
    """
    refuse_held(
        state.system, "pressure", "they do not follow a strain of the cell, so the pressure is undefined: leave it out"
    )
    system, volume = state.system, state.volume()
    _, momenta, arms = centres(state, constraints)
    kinetic = KINETIC * system.sum_over_atoms((momenta.square() / system.masses[:, None]).sum(1))
    strained = volume * state.aux["stress"].diagonal(dim1=1, dim2=2).sum(1)
    if constraints is not None:  # a cluster moves with its centre: the part of the strain within it does no work
        strained = strained + system.sum_over_atoms((state.forces * arms).sum(1))
    return (kinetic - strained) / (3 * volume)
