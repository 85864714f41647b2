"""Terms of labkit that OpenMM has as Custom forces only, and back: repulsion, restraints, walls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from labkit.forcefield.openmm.bonded import SPRING, Named, table
from labkit.forcefield.terms.nbfix.openmm_tables import cutoff_of, exclusions_of, write_cutoff
from labkit.forcefield.terms.repulsion import Repulsion, RepulsionCG
from labkit.forcefield.terms.restraints import FlatBottom, Restraints
from labkit.units import KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm

REPULSION = "4*sqrt(epsilon1*epsilon2)*(0.5*(sigma1+sigma2)/r)^{}"
REPULSIONS = {REPULSION.format(kind.power): kind for kind in (Repulsion, RepulsionCG)}
RESTRAINT = "0.5*k*((x-x0)^2+(y-y0)^2+(z-z0)^2)"
WALL = "0.5*k*max(0,d-radius)^2;d=sqrt((x-x0)^2+(y-y0)^2+(z-z0)^2)"


def repulsion(force: openmm.CustomNonbondedForce, kind: type[Repulsion]) -> Named:
    """Repulsion and RepulsionCG, as `write_repulsion` writes them."""
    _, values = table([list(force.getParticleParameters(i)) for i in range(force.getNumParticles())], 0)
    sigma, epsilon = values.T
    name = "repulsion" if kind is Repulsion else "repulsion_cg"
    yield name, kind(sigma * NANOMETRE, epsilon * KJ_PER_MOL, exclusions_of(force), cutoff_of(force))


def write_repulsion(mm: Any, term: Repulsion, periodic: bool) -> openmm.CustomNonbondedForce:
    """A CustomNonbondedForce with σ and ε of each particle."""
    force = mm.CustomNonbondedForce(REPULSION.format(term.power))
    force.addPerParticleParameter("sigma")
    force.addPerParticleParameter("epsilon")
    for row in zip((term.sigma / NANOMETRE).tolist(), (term.epsilon / KJ_PER_MOL).tolist(), strict=True):
        force.addParticle(row)
    for i, j in term.exclusions.tolist():
        force.addExclusion(i, j)
    write_cutoff(force, term.reach, periodic)
    return force


def restraints(force: openmm.CustomExternalForce, system: openmm.System) -> Named:
    """Harmonic restraints and walls, as `write_restraints` writes them."""
    from labkit.forcefield.openmm.custom import formula, unknown

    wall = formula(force) == WALL
    names = [force.getPerParticleParameterName(p) for p in range(force.getNumPerParticleParameters())]
    if not (wall or formula(force) == RESTRAINT) or names != ["k", "x0", "y0", "z0", *(["radius"] if wall else [])]:
        raise unknown(force)
    rows = [force.getParticleParameters(m) for m in range(force.getNumParticles())]
    if not rows:
        return
    atoms, values = table([[row[0], *row[1]] for row in rows], 1)
    k, centres = values[:, 0] * SPRING, values[:, 1:4] * NANOMETRE
    if wall:
        yield "flat_bottom", FlatBottom(atoms, k, centres, values[:, 4] * NANOMETRE)
    else:
        yield "restraints", Restraints(atoms, k, centres)


def write_restraints(mm: Any, term: Restraints | FlatBottom, periodic: bool) -> openmm.CustomExternalForce:
    """A CustomExternalForce; as in labkit, of positions that are not wrapped into the box."""
    wall = isinstance(term, FlatBottom)
    force = mm.CustomExternalForce(WALL if wall else RESTRAINT)
    for name in ("k", "x0", "y0", "z0", *(["radius"] if wall else [])):
        force.addPerParticleParameter(name)
    columns = [term.k / SPRING, *(term.centres.T / NANOMETRE), *([term.radius / NANOMETRE] if wall else [])]
    for atom, row in zip(term.atoms[:, 0].tolist(), np.stack([c.detach().cpu().numpy() for c in columns], 1)):
        force.addParticle(atom, row.tolist())
    return force
