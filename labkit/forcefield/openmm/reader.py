"""Force fields of all formats that OpenMM reads (AMBER, CHARMM, GROMACS, PDB + XML), through its System."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from labkit.config import config
from labkit.errors import LabkitError
from labkit.forcefield.forcefield import ForceField
from labkit.forcefield.openmm import pair_expressions as pair_expressions  # reads what no term does
from labkit.forcefield.openmm.nonbonded_reader import nonbonded
from labkit.forcefield.openmm.state import box_of, masses_of
from labkit.forcefield.terms.openmm_values import plain
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.forcefield.terms.registry import read, reads
from labkit.forcefield.terms.term import Term
from labkit.units import NANOMETRE

if TYPE_CHECKING:
    import openmm

reads("NonbondedForce")(nonbonded)

#: Forces of a System that are not energies: in labkit they belong to the integrator.
NO_ENERGY = {
    "CMMotionRemover": "the integrator removes the motion of the centre of mass",
    "AndersenThermostat": "choose an integrator with a temperature",
    "MonteCarloBarostat": "choose an integrator with a pressure",
    "MonteCarloAnisotropicBarostat": "choose an integrator with a pressure",
    "MonteCarloMembraneBarostat": "choose an integrator with a pressure",
    "MonteCarloFlexibleBarostat": "choose an integrator with a pressure",
}


@dataclass(frozen=True, eq=False)
class Imported:
    """What an OpenMM System holds, in labkit's units.

    forcefield            its terms, named bonds, angles, torsions, ...
    masses                (n,)   u
    constraint_atoms      (m, 2) pairs of atoms at a fixed distance
    constraint_distances  (m,)   Å
    box                   (3, 3) Å, rows are lattice vectors; None for an open system
    notes                 what was left out because it is not an energy, and what is computed differently
    """

    forcefield: ForceField
    masses: Tensor
    constraint_atoms: Tensor
    constraint_distances: Tensor
    box: Tensor | None
    notes: tuple[str, ...] = ()

    @property
    def constraints(self) -> tuple[Tensor, Tensor] | None:
        """Atoms and distances, as `labkit.engine.Constraints(*constraints)` and `to_openmm` take them, or None.

        OpenMM leaves out the bonds between constrained atoms: rigid water without constraints falls apart.
        """
        return (self.constraint_atoms, self.constraint_distances) if len(self.constraint_atoms) else None


def from_openmm(system: openmm.System) -> ForceField:
    """The force field of an OpenMM System; `import_openmm` returns masses, constraints and box, too.

    Warns if the System has constraints, which are not part of a force field. Raises LabkitError, naming the force, its
    number and the reason, for a force that has no term.
    """
    imported = import_openmm(system)
    if imported.constraints is not None:
        warnings.warn(
            f"the System has {len(imported.constraint_atoms)} constraints, whose bonds are not among its forces: give "
            "the integrator constraints=Constraints(*import_openmm(system).constraints), or create the System with "
            "rigidWater=False and constraints=None",
            stacklevel=2,
        )
    return imported.forcefield


def import_openmm(system: openmm.System) -> Imported:
    """Everything that labkit reads from an OpenMM System; errors as in `from_openmm`."""
    masses = masses_of(system)
    terms, notes = _terms(system)
    if not terms:
        raise LabkitError(f"the System of {len(masses)} particles has no interactions; add forces with parameters")
    pairs, box = [system.getConstraintParameters(m) for m in range(system.getNumConstraints())], box_of(system)
    notes += [
        f"term {name} has no cutoff: in the box of the System each pair is at its nearest image, in OpenMM at none"
        for name, term in terms.items()
        if box is not None and isinstance(term, PairTerm) and term.reach is None
    ]
    return Imported(
        ForceField(terms, len(masses), constrained=[pair[:2] for pair in pairs]),
        masses,
        torch.tensor([pair[:2] for pair in pairs], dtype=torch.int64).reshape(-1, 2),
        torch.tensor([plain(pair[2]) * NANOMETRE for pair in pairs], dtype=config().dtype),
        box,
        tuple(notes),
    )


def _terms(system: openmm.System) -> tuple[dict[str, Term], list[str]]:
    terms: dict[str, Term] = {}
    notes = []
    for number, force in enumerate(system.getForces()):
        kind = type(force).__name__
        if kind in NO_ENERGY:
            notes.append(f"force {number}, {kind}, was left out: {NO_ENERGY[kind]}")
            continue
        try:
            for name, term in read(force, system):
                terms[_free(name, terms)] = term
        except LabkitError as error:
            raise LabkitError(f"force {number}: {error}") from error
    return terms, notes


def _free(name: str, taken: dict[str, Term]) -> str:
    """The name, or name_2 and so on if a System has several forces of a kind."""
    number = 1
    while (free := name if number == 1 else f"{name}_{number}") in taken:
        number += 1
    return free
