"""A force field as an OpenMM System, for production runs with OpenMM."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from labkit.errors import LabkitError
from labkit.forcefield.forcefield import ForceField
from labkit.forcefield.openmm.bonded import SPRING
from labkit.forcefield.openmm.nonbonded_writer import is_nonbonded, nonbonded_forces
from labkit.forcefield.openmm.own import write_repulsion, write_restraints
from labkit.forcefield.terms.angles import HarmonicAngles
from labkit.forcefield.terms.bonds import HarmonicBonds, UreyBradley
from labkit.forcefield.terms.cmap import Cmap
from labkit.forcefield.terms.generalized_born import GeneralizedBorn
from labkit.forcefield.terms.generalized_born.writer import write_born
from labkit.forcefield.terms.nbfix import Nbfix
from labkit.forcefield.terms.nbfix.openmm_tables import write_nbfix
from labkit.forcefield.terms.repulsion import Repulsion, RepulsionCG
from labkit.forcefield.terms.restraints import FlatBottom, Restraints
from labkit.forcefield.terms.term import Term
from labkit.forcefield.terms.torsions import HarmonicImpropers, RyckaertBellemans, Torsions
from labkit.units import KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm

#: CHARMM's improper, folded; `from_openmm` takes it back.
IMPROPER = "k*d^2; d = e - 6.283185307179586*floor(e/6.283185307179586 + 0.5); e = theta - theta0"


def to_openmm(
    forcefield: ForceField,
    masses: Any,
    box: Any = None,
    constraints: tuple[Any, Any] | None = None,
) -> openmm.System:
    """An OpenMM System of the same energies; `from_openmm` gives the force field back.

    masses (n,) u, infinite for held atoms (zero in OpenMM); box (3, 3) Å, rows are lattice vectors, lower triangular;
    None for an open system; constraints: (atoms (m, 2), distances (m,) Å). Raises LabkitError for a term that OpenMM
    lacks, for other counts, for a constraint between a held and a free atom, and for a box below twice a cutoff.

    >>> from labkit.forcefield import HarmonicBonds
    >>> system = to_openmm(ForceField({"bonds": HarmonicBonds([[0, 1]], k=40.0, r0=1.0)}, 2), masses=[1.0, 1.0])
    >>> system.getNumParticles(), system.getForce(0).getNumBonds()
    (2, 1)
    """
    if not isinstance(forcefield, ForceField):
        raise LabkitError(
            f"to_openmm takes a ForceField, not a {type(forcefield).__name__}{_parts(forcefield)}: what is written in "
            "torch, as a Bias, has no OpenMM force; convert the ForceField alone and add the rest in OpenMM "
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
        rows = _reduced(np.array(numbers(box)).reshape(3, 3))
        system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*(row / NANOMETRE)) for row in rows))
    if constraints is not None:
        for (i, j), distance in zip(numbers(constraints[0]), numbers(constraints[1]), strict=True):
            held = [atom for atom in (i, j) if weights[atom] == np.inf]
            if len(held) == 1:
                raise LabkitError(
                    f"a constraint binds atoms {i} and {j}, of which {held[0]} is held: OpenMM has no such thing; "
                    "leave it out and make the bond stiff, or hold both"
                )
            if held:
                continue  # they stay where they are
            system.addConstraint(i, j, distance / NANOMETRE)
    pairs = {}
    for name, term in forcefield.terms.items():
        if rows is not None:
            _fits(name, term, rows)
        if is_nonbonded(term):
            pairs[name] = term
            continue
        if term.kind in CUSTOM:
            force = CUSTOM[term.kind](mm, term, rows is not None)
            force.setName(name)
            system.addForce(force)
            continue
        write = WRITERS.get(term.kind)
        if write is None:
            raise LabkitError(f"term {name}: {type(term).__name__} cannot be written as an OpenMM force; leave it out")
        force = write(mm, term)
        force.setName(name)
        force.setUsesPeriodicBoundaryConditions(term.periodic)
        system.addForce(force)
    for force in nonbonded_forces(mm, pairs, forcefield.n_atoms, rows):
        system.addForce(force)
    return system


def numbers(values: Any) -> list[Any]:
    """Plain Python numbers of a tensor, an array or a list."""
    return values.detach().cpu().tolist() if isinstance(values, Tensor) else np.asarray(values).tolist()


def _openmm() -> Any:
    try:
        import openmm
    except ImportError as error:
        raise LabkitError('OpenMM is not installed; run: pip install "labkit[forcefield]"') from error
    return openmm


def _reduced(rows: np.ndarray) -> np.ndarray:
    """OpenMM takes boxes with a along x, b in the xy plane and c off them by at most half of each."""
    if np.abs(np.triu(rows, 1)).max() > 1e-9 * np.abs(rows).max() or (rows.diagonal() <= 0).any():
        raise LabkitError(
            f"box {rows.tolist()} Å: OpenMM needs a along x and b in the xy plane; turn the system, "
            "as with ase.Atoms.standard_form or cell.standard_form()"
        )
    a, b, c = rows
    c = c - b * np.round(c[1] / b[1])
    c = c - a * np.round(c[0] / a[0])
    return np.array([a, b - a * np.round(b[0] / a[0]), c])


def _parts(potential: Any) -> str:
    parts = getattr(potential, "potentials", ())
    return f" of {', '.join(type(part).__name__ for part in parts)}" if len(parts) else ""


def _fits(name: str, term: Term, rows: np.ndarray) -> None:
    """OpenMM sees the nearest image of a pair only."""
    if term.cutoff > 0.5 * rows.diagonal().min():
        lengths = ", ".join(f"{length:g}" for length in rows.diagonal())
        raise LabkitError(
            f"term {name}: a cutoff of {term.cutoff:g} Å, but the box is {lengths} Å across, and OpenMM takes the "
            f"nearest image only; it needs {2 * term.cutoff:g} Å each way: repeat the cell, or choose a smaller cutoff"
        )


def _bonds(mm: Any, term: HarmonicBonds) -> openmm.Force:
    force = mm.HarmonicBondForce()
    for atoms, k, r0 in _rows(term.atoms, term.k / SPRING, term.r0 / NANOMETRE):
        force.addBond(*atoms, r0, k)
    return force


def _angles(mm: Any, term: HarmonicAngles) -> openmm.Force:
    force = mm.HarmonicAngleForce()
    for atoms, k, theta0 in _rows(term.atoms, term.k / KJ_PER_MOL, term.theta0):
        force.addAngle(*atoms, theta0, k)
    return force


def _torsions(mm: Any, term: Torsions) -> openmm.Force:
    force = mm.PeriodicTorsionForce()
    for atoms, n, phase, k in _rows(term.atoms, term.n, term.phase, term.k / KJ_PER_MOL):
        if n != round(n) or n < 1:
            raise LabkitError(f"torsion of atoms {atoms}: periodicity {n}; OpenMM has whole numbers from 1 only")
        force.addTorsion(*atoms, round(n), phase, k)
    return force


def _ryckaert_bellemans(mm: Any, term: RyckaertBellemans) -> openmm.Force:
    force = mm.RBTorsionForce()
    for atoms, c in _rows(term.atoms, term.c / KJ_PER_MOL):
        force.addTorsion(*atoms, *c)
    return force


def _impropers(mm: Any, term: HarmonicImpropers) -> openmm.Force:
    force = mm.CustomTorsionForce(IMPROPER)
    force.addPerTorsionParameter("k")
    force.addPerTorsionParameter("theta0")
    for atoms, k, phi0 in _rows(term.atoms, 0.5 * term.k / KJ_PER_MOL, term.phi0):
        force.addTorsion(*atoms, [k, phi0])
    return force


def _cmap(mm: Any, term: Cmap) -> openmm.Force:
    force = mm.CMAPTorsionForce()
    for grid in (term.maps / KJ_PER_MOL).mT:  # OpenMM's maps run fastest over the first angle
        force.addMap(len(grid), numbers(torch.flatten(grid)))
    for atoms, which in _rows(term.atoms, term.which):
        force.addTorsion(which, *atoms)
    return force


def _rows(*fields: Tensor) -> zip:
    return zip(*map(numbers, fields), strict=True)


#: Those that need to know whether there is a box.
CUSTOM: dict[type, Callable[..., Any]] = {
    GeneralizedBorn: write_born,
    Nbfix: write_nbfix,
    Repulsion: write_repulsion,
    RepulsionCG: write_repulsion,
    Restraints: write_restraints,
    FlatBottom: write_restraints,
}
WRITERS: dict[type, Callable[..., Any]] = {
    HarmonicBonds: _bonds,
    UreyBradley: _bonds,
    HarmonicAngles: _angles,
    Torsions: _torsions,
    RyckaertBellemans: _ryckaert_bellemans,
    HarmonicImpropers: _impropers,
    Cmap: _cmap,
}
