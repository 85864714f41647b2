"""A force field as an OpenMM System, for production runs with OpenMM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from labkit.errors import LabkitError
from labkit.forcefield.forcefield import ForceField
from labkit.forcefield.openmm.box import check_cutoff, reduced
from labkit.forcefield.openmm.nonbonded_writer import nonbonded_forces
from labkit.forcefield.terms.coulomb import Coulomb
from labkit.forcefield.terms.lennard_jones import LennardJones
from labkit.forcefield.terms.openmm_values import numbers
from labkit.forcefield.terms.pairs14 import Pairs14
from labkit.forcefield.terms.pme import Pme
from labkit.forcefield.terms.registry import WRITERS, writes
from labkit.forcefield.terms.term import Term
from labkit.units import NANOMETRE

if TYPE_CHECKING:
    import openmm


writes(LennardJones, Coulomb, Pme, Pairs14, together=True)(nonbonded_forces)


def to_openmm(
    forcefield: ForceField,
    masses: Any,
    box: Any = None,
    constraints: tuple[Any, Any] | None = None,
) -> openmm.System:
    """An OpenMM System with the same energies; `from_openmm` reads the force field back.

    masses (n,) u, infinite for held atoms (zero in OpenMM); box (3, 3) Å, rows are lattice vectors, lower triangular;
    None for an open system; constraints: (atoms (m, 2), distances (m,) Å). Raises LabkitError for a term that OpenMM
    lacks, for counts that differ, for a constraint between a held and a free atom, and for a box below twice a cutoff.

    >>> from labkit.forcefield import HarmonicBonds
    >>> system = to_openmm(ForceField({"bonds": HarmonicBonds([[0, 1]], k=40.0, r0=1.0)}, 2), masses=[1.0, 1.0])
    >>> system.getNumParticles(), system.getForce(0).getNumBonds()
    (2, 1)
    """
    if not isinstance(forcefield, ForceField):
        raise LabkitError(
            f"to_openmm takes a ForceField, not a {type(forcefield).__name__}{_parts(forcefield)}: terms written in "
            "torch, such as a Bias, have no OpenMM force; convert the ForceField alone and add the rest in OpenMM "
            "(CustomCVForce, openmm-torch)"
        )
    mm = _openmm()
    system = mm.System()
    weights = numbers(masses)
    for mass in weights:
        system.addParticle(0.0 if mass == np.inf else mass)
    if system.getNumParticles() != forcefield.n_atoms:
        raise LabkitError(f"{system.getNumParticles()} masses for a force field of {forcefield.n_atoms} atoms")
    rows = None
    if box is not None:
        rows = reduced(np.array(numbers(box)).reshape(3, 3))
        system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*(row / NANOMETRE)) for row in rows))
    if constraints is not None:
        _constrain(system, weights, *map(numbers, constraints))
    for force in _forces(mm, forcefield, rows):
        system.addForce(force)
    return system


def _constrain(system: openmm.System, masses: list[float], atoms: list[list[int]], distances: list[float]) -> None:
    for (i, j), distance in zip(atoms, distances, strict=True):
        held = [atom for atom in (i, j) if masses[atom] == np.inf]
        if len(held) == 1:
            raise LabkitError(
                f"a constraint binds atoms {i} and {j}, of which {held[0]} is held: OpenMM does not allow this; "
                "leave it out and make the bond stiff, or hold both"
            )
        if not held:  # otherwise neither moves
            system.addConstraint(i, j, distance / NANOMETRE)


def _forces(mm: Any, forcefield: ForceField, box: np.ndarray | None) -> Iterator[openmm.Force]:
    """Forces of single terms, then forces that several terms share."""
    joint: dict[Callable[..., Any], dict[str, Term]] = {}
    for name, term in forcefield.terms.items():
        if box is not None:
            check_cutoff(name, term, box)
        rule = WRITERS.get(term.kind)
        if rule is None:
            raise LabkitError(f"term {name}: {type(term).__name__} cannot be written as an OpenMM force; leave it out")
        if rule.together:
            joint.setdefault(rule.make, {})[name] = term
            continue
        force = rule.make(mm, term, box is not None)
        force.setName(name)
        if "periodic" in term.SETTINGS:
            force.setUsesPeriodicBoundaryConditions(term.periodic)
        yield force
    for write, terms in joint.items():
        yield from write(mm, terms, forcefield.n_atoms, box)


def _openmm() -> Any:
    try:
        import openmm
    except ImportError as error:
        raise LabkitError('OpenMM is not installed; run: pip install "labkit[forcefield]"') from error
    return openmm


def _parts(potential: Any) -> str:
    parts = getattr(potential, "potentials", ())
    return f" of {', '.join(type(part).__name__ for part in parts)}" if len(parts) else ""
