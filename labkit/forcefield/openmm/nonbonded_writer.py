"""Lennard-Jones, charges and 1-4 pairs as OpenMM forces: one NonbondedForce if they agree, otherwise several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from labkit.errors import LabkitError
from labkit.forcefield.terms.coulomb import Coulomb
from labkit.forcefield.terms.lennard_jones import LennardJones
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.forcefield.terms.pairs14 import LJ_COULOMB, Pairs14
from labkit.forcefield.terms.pme import Pme
from labkit.forcefield.terms.term import Term
from labkit.units import KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm

Pairs = set[tuple[int, int]]


def nonbonded_forces(mm: Any, terms: Mapping[str, Term], n_atoms: int, box: np.ndarray | None) -> list[openmm.Force]:
    """Forces of the terms; those with the same cutoff and exclusions share one NonbondedForce, with its 1-4 pairs.

    1-4 pairs between atoms that are not excluded, or beyond those of a NonbondedForce, become a CustomBondForce.
    """
    groups: list[tuple[list[PairTerm], Pairs]] = []
    for name, term in terms.items():
        if isinstance(term, Pairs14):
            continue
        if box is None and (isinstance(term, Pme) or getattr(term, "long_range_correction", False)):
            raise LabkitError(f"term {name}: PME and long-range corrections need a box; give box= in Å")
        excluded = {(min(p), max(p)) for p in term.exclusions.tolist()}
        for members, pairs in groups:
            distinct = len(members) == 1 and isinstance(members[0], LennardJones) != isinstance(term, LennardJones)
            if distinct and members[0].reach == term.reach and pairs == excluded:
                members.append(term)
                break
        else:
            groups.append(([term], excluded))
    forces = [_nonbonded(mm, members, pairs, n_atoms, box) for members, pairs in groups]
    for term in terms.values():
        if isinstance(term, Pairs14):
            host = forces[0] if groups and not term.periodic else None
            rest = _exceptions(host, term, groups[0][1] if host else set())
            if rest:
                forces.append(_bonds(mm, term, rest))
            if host:  # another list of pairs must not overwrite this one
                groups[0] = (groups[0][0], set())
    return forces


def _nonbonded(
    mm: Any, terms: list[PairTerm], excluded: Pairs, n_atoms: int, box: np.ndarray | None
) -> openmm.NonbondedForce:
    force = mm.NonbondedForce()
    charges, sigma, epsilon = np.zeros(n_atoms), np.ones(n_atoms), np.zeros(n_atoms)
    force.setUseDispersionCorrection(False)
    for term in terms:
        if term.reach is not None:
            force.setNonbondedMethod(force.CutoffPeriodic if box is not None else force.CutoffNonPeriodic)
            force.setCutoffDistance(term.reach / NANOMETRE)
        if isinstance(term, LennardJones):
            sigma, epsilon = (t.detach().cpu().numpy() for t in (term.sigma, term.epsilon))
            force.setUseDispersionCorrection(term.long_range_correction)
            if term.switch is not None:
                force.setUseSwitchingFunction(True)
                force.setSwitchingDistance(term.switch / NANOMETRE)
            continue
        charges = term.charges.detach().cpu().numpy()
        if isinstance(term, Coulomb):
            force.setReactionFieldDielectric(1.0 if term.dielectric is None else term.dielectric)
        else:
            _set_pme(force, term, box)
    if any(isinstance(term, Pme) for term in terms):
        force.setNonbondedMethod(force.PME)
    for q, s, e in zip(charges, sigma / NANOMETRE, epsilon / KJ_PER_MOL, strict=True):
        force.addParticle(q, s, e)
    for i, j in sorted(excluded):
        force.addException(i, j, 0.0, 1.0, 0.0)
    return force


def _set_pme(force: openmm.NonbondedForce, term: Pme, box: np.ndarray) -> None:
    """Set the tolerance, from which OpenMM derives the same α and mesh; if they were chosen, set these, too."""
    force.setEwaldErrorTolerance(term.tolerance)
    usual = Pme([0.0], (), term.reach, term.tolerance)
    if not np.allclose([usual.alpha, usual.mesh_spacing], [term.alpha, term.mesh_spacing], rtol=1e-9):
        mesh = np.ceil(box.diagonal() / term.mesh_spacing - 1e-9).astype(int)
        force.setPMEParameters(term.alpha * NANOMETRE, *mesh.tolist())


def _exceptions(force: openmm.NonbondedForce | None, term: Pairs14, excluded: Pairs) -> list[tuple]:
    """Write the excluded pairs as exceptions; return the others."""
    rows = zip(
        term.atoms.tolist(),
        term.charge_product.tolist(),
        (term.sigma / NANOMETRE).tolist(),
        (term.epsilon / KJ_PER_MOL).tolist(),
        strict=True,
    )
    rest, free = [], set(excluded)
    for (i, j), product, sigma, epsilon in rows:
        pair = (min(i, j), max(i, j))
        if force is not None and pair in free:
            free.remove(pair)
            force.addException(i, j, product, sigma, epsilon, True)
        else:
            rest.append((i, j, product, sigma, epsilon))
    return rest


def _bonds(mm: Any, term: Pairs14, rows: list[tuple]) -> openmm.CustomBondForce:
    force = mm.CustomBondForce(LJ_COULOMB)
    for name in ("q", "sigma", "epsilon"):
        force.addPerBondParameter(name)
    for i, j, *values in rows:
        force.addBond(i, j, values)
    force.setUsesPeriodicBoundaryConditions(term.periodic)
    return force
