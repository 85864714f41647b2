"""Atoms, masses, box and positions of OpenMM as a State."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from labkit.base import State, System
from labkit.config import config
from labkit.errors import LabkitError
from labkit.forcefield.terms.openmm_values import plain
from labkit.units import NANOMETRE

if TYPE_CHECKING:
    import openmm


def state_from_openmm(
    topology: Any, positions: Any, system: openmm.System, seed: int = 0, *, numbers: Sequence[int] | None = None
) -> State:
    """Elements of an openmm.app.Topology, positions (a Quantity, or numbers in nm), masses and box of the System.

    numbers  (n,) atomic numbers, 0 for what is no element, in place of the topology's elements

    Raises LabkitError for differing numbers of atoms, atoms without element, virtual sites and particles without mass.
    """
    masses, box = masses_of(system), box_of(system)
    atoms = list(topology.atoms())
    where = _lengths(positions) * NANOMETRE
    if not len(atoms) == len(where) == len(masses):
        raise LabkitError(
            f"{len(atoms)} atoms in the topology, {len(where)} positions and {len(masses)} particles in the System; "
            "all three must come from the same file or Modeller"
        )
    for number, atom in enumerate(atoms if numbers is None else ()):
        if atom.element is None:
            raise LabkitError(f"atom {number} ({atom.name} of {atom.residue.name}) has no element; set atom.element")
    dtype, device = config().dtype, config().device
    moving = torch.as_tensor(where, dtype=dtype, device=device)
    return State(
        system=System(
            numbers=torch.tensor(
                [atom.element.atomic_number for atom in atoms] if numbers is None else numbers,
                dtype=torch.int64,
                device=device,
            ),
            masses=masses.to(device),
            index=torch.zeros(len(atoms), dtype=torch.int64, device=device),
            pbc=torch.full((1, 3), box is not None, device=device),
        ),
        positions=moving,
        cell=torch.zeros(1, 3, 3, dtype=dtype, device=device) if box is None else box[None].to(device),
        velocities=torch.zeros_like(moving),
        seed=seed,
    )


def masses_of(system: openmm.System) -> Tensor:
    """Masses (n,) in u. Raises LabkitError for virtual sites and particles without mass."""
    count = system.getNumParticles()
    virtual = [i for i in range(count) if system.isVirtualSite(i)]
    if virtual:
        raise LabkitError(
            f"particle {virtual[0]} is a virtual site, and {len(virtual) - 1} others are: labkit moves only atoms; "
            "choose a model without them, such as TIP3P instead of TIP4P"
        )
    masses = np.array([plain(system.getParticleMass(i)) for i in range(count)])
    light = np.flatnonzero(masses <= 0)
    if len(light):
        raise LabkitError(
            f"particle {light[0]} has no mass, nor have {len(light) - 1} others, which OpenMM does not move; give "
            "them masses, and to hold them use labkit.engine.hold(state, atoms)"
        )
    return torch.as_tensor(masses, dtype=config().dtype)


def box_of(system: openmm.System) -> Tensor | None:
    """The System's box (3, 3) in Å; None if no force is periodic."""
    if not system.usesPeriodicBoundaryConditions():
        return None
    vectors = _lengths(system.getDefaultPeriodicBoxVectors())
    return torch.as_tensor(vectors * NANOMETRE, dtype=config().dtype)


def _lengths(vectors: Any) -> np.ndarray:
    """Vectors (n, 3) in nm, of a Quantity, of a list of Vec3 with or without units, or of an array."""
    from openmm import unit

    if unit.is_quantity(vectors):
        vectors = vectors.value_in_unit(unit.nanometer)
    elif len(vectors) and unit.is_quantity(vectors[0]):
        vectors = [vector.value_in_unit(unit.nanometer) for vector in vectors]
    return np.array(vectors, dtype=np.float64).reshape(-1, 3)
