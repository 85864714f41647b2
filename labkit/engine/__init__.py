"""Molecular dynamics: one loop, integrators, constraints and minimisers, batched and differentiable."""

from labkit.engine.cell_rescaling import CellRescaling, internal_pressure
from labkit.engine.checkpoint import Checkpoint
from labkit.engine.constraints import Constraints
from labkit.engine.csvr import Csvr
from labkit.engine.differentiable import rollout
from labkit.engine.graph_memory import GraphMemory, gradient_memory
from labkit.engine.held import hold
from labkit.engine.hydrogen_mass import hydrogen_mass_repartitioning
from labkit.engine.kinetic import (
    degrees_of_freedom,
    kinetic_energy,
    maxwell_boltzmann,
    temperature,
    without_com_motion,
)
from labkit.engine.langevin import Langevin
from labkit.engine.matching import Matching, match_trajectory
from labkit.engine.minimise import fire, largest_force, lbfgs
from labkit.engine.replica_exchange import ReplicaExchange, geometric_ladder
from labkit.engine.run import Run
from labkit.engine.simulate import simulate
from labkit.engine.velocity_verlet import VelocityVerlet

__all__ = [
    "CellRescaling",
    "Checkpoint",
    "Constraints",
    "Csvr",
    "GraphMemory",
    "Langevin",
    "ReplicaExchange",
    "Matching",
    "Run",
    "VelocityVerlet",
    "degrees_of_freedom",
    "fire",
    "geometric_ladder",
    "gradient_memory",
    "hold",
    "hydrogen_mass_repartitioning",
    "internal_pressure",
    "kinetic_energy",
    "largest_force",
    "lbfgs",
    "match_trajectory",
    "maxwell_boltzmann",
    "rollout",
    "simulate",
    "temperature",
    "without_com_motion",
]
