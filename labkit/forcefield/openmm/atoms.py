"""Elements and masses of the atoms of an OpenMM System."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labkit.errors import LabkitError
from labkit.forcefield.structure.elements import elements_of
from labkit.forcefield.terms.openmm_values import plain

if TYPE_CHECKING:
    import openmm


def numbers_of(topology: Any, system: openmm.System) -> list[int]:
    """Atomic numbers (n,), by mass where a file has no elements; 0 for what is none, as beads and united atoms."""
    atoms = list(topology.atoms())
    if all(atom.element is not None for atom in atoms):
        return [atom.element.atomic_number for atom in atoms]
    masses = [plain(system.getParticleMass(k)) for k in range(system.getNumParticles())]
    bonds = [(bond.atom1.index, bond.atom2.index) for bond in topology.bonds()]
    bonds += [system.getConstraintParameters(m)[:2] for m in range(system.getNumConstraints())]
    by_mass = elements_of(masses, {tuple(sorted(bond)) for bond in bonds}, [atom.name for atom in atoms])
    return [by_mass[k] if atom.element is None else atom.element.atomic_number for k, atom in enumerate(atoms)]


def has_numbers(prmtop: str) -> bool:
    """Older files have no elements: OpenMM guesses them by names."""
    return "%FLAG ATOMIC_NUMBER" in Path(prmtop).read_text(errors="replace")


def weigh(system: openmm.System, masses: Any) -> None:
    """Set the masses (n,) in u. Raises LabkitError for other counts, and for masses that are not positive."""
    values, count = np.asarray(masses, dtype=np.float64), system.getNumParticles()
    if values.shape != (count,) or not (values > 0).all():
        raise LabkitError(
            f"masses of shape {values.shape}; expected ({count},) positive numbers in u, one for each atom"
        )
    for k, mass in enumerate(values.tolist()):
        system.setParticleMass(k, mass)
