"""Lennard-Jones tables by pairs of types (CHARMM, and AMBER with off-diagonal pairs) from OpenMM and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from labkit.errors import LabkitError
from labkit.forcefield.terms.lennard_jones import LennardJones
from labkit.forcefield.terms.nbfix.term import Nbfix
from labkit.forcefield.terms.openmm_values import formula, matrix, pair_settings, write_pair_settings
from labkit.forcefield.terms.registry import Named, reads, unknown, writes
from labkit.units import KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm

LJ_TABLE = "acoef(type1,type2)/r^12-bcoef(type1,type2)/r^6"  # of OpenMM's XML
#: Of CharmmPsfFile and AmberPrmtopFile: its table holds sqrt(A).
ROOT_TABLE = "(a/r6)^2-b/r6;r6=r^6;a=acoef(type1,type2);b=bcoef(type1,type2)"


@reads("CustomNonbondedForce")
def _read(force: openmm.CustomNonbondedForce, system: openmm.System) -> Named:
    """A/r^12 - B/r^6 by pairs of types: LennardJones if all follow Lorentz and Berthelot, otherwise Nbfix."""
    if formula(force) not in (LJ_TABLE, ROOT_TABLE):
        raise unknown(force)
    named = {force.getTabulatedFunctionName(t): t for t in range(force.getNumTabulatedFunctions())}
    if set(named) != {"acoef", "bcoef"} or force.getNumInteractionGroups():
        raise LabkitError(
            f"CustomNonbondedForce with the tables {', '.join(named)} and {force.getNumInteractionGroups()} groups of "
            "interactions; expected acoef and bcoef for all pairs of particles"
        )
    a, b = (matrix(force.getTabulatedFunction(named[name])) for name in ("acoef", "bcoef"))
    every = np.array([force.getParticleParameters(i)[0] for i in range(force.getNumParticles())]).astype(int)
    used, kinds = np.unique(every, return_inverse=True)
    a, b = a[np.ix_(used, used)] ** (2 if formula(force) == ROOT_TABLE else 1), b[np.ix_(used, used)]
    rest = pair_settings(force)
    single = lorentz_berthelot(a, b)
    if single is None:
        yield "nbfix", Nbfix(kinds, a * KJ_PER_MOL * NANOMETRE**12, b * KJ_PER_MOL * NANOMETRE**6, *rest)
    else:
        sigma, epsilon = single
        yield "lennard_jones", LennardJones(sigma[kinds] * NANOMETRE, epsilon[kinds] * KJ_PER_MOL, *rest)


@writes(Nbfix)
def _write(mm: Any, term: Nbfix, periodic: bool) -> openmm.CustomNonbondedForce:
    """A CustomNonbondedForce in the form of OpenMM's XML."""
    force = mm.CustomNonbondedForce(LJ_TABLE)
    force.addPerParticleParameter("type")
    scales = {"acoef": KJ_PER_MOL * NANOMETRE**12, "bcoef": KJ_PER_MOL * NANOMETRE**6}
    for (name, scale), values in zip(scales.items(), (term.repulsive, term.attractive)):
        force.addTabulatedFunction(name, mm.Discrete2DFunction(*values.shape, (values / scale).flatten().tolist()))
    for kind in term.kinds.tolist():
        force.addParticle([kind])
    write_pair_settings(force, term, periodic)
    return force


def lorentz_berthelot(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """σ and ε of each kind from which all pairs A/r^12 - B/r^6 follow by Lorentz and Berthelot, or None."""
    own_a, own_b = a.diagonal(), b.diagonal()
    here = own_b > 0
    # a single pair has no σ if ε is 0: the table of a type without attraction does not fix its size
    sigma = np.where(here, own_a / np.where(here, own_b, 1.0), 0.0) ** (1 / 6)
    epsilon = np.where(here, own_b**2 / (4 * np.where(here, own_a, 1.0)), 0.0)
    mean, root = 0.5 * (sigma[:, None] + sigma), 4 * np.sqrt(epsilon[:, None] * epsilon)
    follows = np.allclose(a, root * mean**12, rtol=1e-6, atol=0) and np.allclose(b, root * mean**6, rtol=1e-6, atol=0)
    return (sigma, epsilon) if follows else None
