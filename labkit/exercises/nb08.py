"""Expected answers of notebook 08_differentiable_simulation."""

from __future__ import annotations

import math

import torch
from ase import Atoms

from labkit.base import State
from labkit.engine import VelocityVerlet, simulate
from labkit.exercises.catalogue import exercise
from labkit.exercises.expected import Expected
from labkit.forcefield import ForceField, HarmonicBonds
from labkit.units import FORCE_TO_ACCELERATION

LENGTH, STEPS, DT = 0.74, 10, 0.25  # Å, fs


def vibration() -> tuple[State, State]:
    """H2 stretched by 0.05 Å at rest, and the same after 10 steps of 0.25 fs."""
    start = State.from_atoms(Atoms("H2", [[0, 0, 0], [LENGTH + 0.05, 0, 0]]))
    bond = ForceField({"bonds": HarmonicBonds([[0, 1]], k=35.9, r0=LENGTH)}, n_atoms=2)
    return start, simulate(start, bond, VelocityVerlet(), STEPS, DT)


@exercise("08.1", "The force constant of a bond", unit="eV/Å²")
def force_constant(start: State, end: State) -> Expected:
    """Velocity Verlet moves a spring as cos(nθ) with 2 - 2 cos θ = k dt²/μ, so that k follows from both ends."""
    stretch = [float(torch.linalg.vector_norm(s.positions[1] - s.positions[0])) - LENGTH for s in (start, end)]
    angle = math.acos(stretch[1] / stretch[0]) / STEPS
    mass = float(start.system.masses[0]) / 2
    right = (2 - 2 * math.cos(angle)) * mass / (FORCE_TO_ACCELERATION * DT**2)
    mistakes = {
        right / 2: "That is half of it: here the energy is ½ k (r - r0)².",
        20.0: "That is where it started; let match_trajectory change it.",
    }
    return Expected(right, rel=0.01, mistakes=mistakes, why="Ten steps contain the information of a full spectrum.")


@exercise("08.2", "The gradient where all charges are zero")
def at_zero() -> Expected:
    """Forces are products of two charges."""
    mistakes = {1.0: "That is the loss there, not its gradient."}
    why = "Every force has two charges as factors: the gradient is zero there, and a fit from there never starts."
    return Expected(0.0, abs=1e-9, mistakes=mistakes, why=why)
