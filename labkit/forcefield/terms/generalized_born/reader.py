"""Implicit solvent from OpenMM: GBSAOBCForce, and the CustomGBForce of its HCT, OBC, GBn and GBn2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from labkit.errors import LabkitError
from labkit.forcefield.terms.generalized_born.expressions import (
    FACTOR,
    HCT,
    INTEGRAL,
    NECKS,
    PAIR,
    RADIUS,
    SELF,
    SHAPES,
    SURFACE,
    TERMS,
    TYPES,
    names_of,
    numbers_of,
    parts,
)
from labkit.forcefield.terms.generalized_born.term import GeneralizedBorn
from labkit.forcefield.terms.openmm_values import cutoff_of, matrix, plain, table
from labkit.forcefield.terms.registry import Named, UnknownForce, reads
from labkit.units import KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm


@reads("GBSAOBCForce")
def _read_obc(force: openmm.GBSAOBCForce, system: openmm.System) -> Named:
    """GBSAOBCForce, OBC2; it differs from labkit only for atoms that are within another's scaled sphere (below 1 Å)."""
    if force.getNumParticles() != system.getNumParticles():
        raise LabkitError(
            f"GBSAOBCForce has parameters of {force.getNumParticles()} particles, but the System has "
            f"{system.getNumParticles()}; add one for each"
        )
    _, values = table([force.getParticleParameters(i) for i in range(force.getNumParticles())], 0)
    charges, radii, screen = values.T
    yield (
        "implicit_solvent",
        GeneralizedBorn(
            charges,
            radii * NANOMETRE,
            screen,
            solute_dielectric=force.getSoluteDielectric(),
            solvent_dielectric=force.getSolventDielectric(),
            surface_tension=plain(force.getSurfaceAreaEnergy()) * KJ_PER_MOL / NANOMETRE**2,
            cutoff=cutoff_of(force),
        ),
    )


@reads("CustomGBForce")
def _read_custom(force: openmm.CustomGBForce, system: openmm.System) -> Named:
    """The models that OpenMM's app writes as a CustomGBForce, by their expressions; others raise LabkitError."""
    (integral, inner, how), (shape, outer, _) = _computed(force)
    numbers = {**numbers_of(inner), **numbers_of(outer)}
    with_necks = (integral, names_of(inner)) == NECKS
    known = with_necks or (integral, names_of(inner)) == INTEGRAL
    psi = {} if shape == HCT else {"psi": "I*or", **RADIUS}
    if not known or how != "ParticlePairNoExclusions" or shape not in SHAPES or names_of(outer) != psi:
        raise _unknown(force, "its radii are not those of HCT, OBC1, OBC2, GBn or GBn2")
    settings = _energies(force, numbers)
    names = [force.getPerParticleParameterName(p) for p in range(force.getNumPerParticleParameters())]
    _, values = table([list(force.getParticleParameters(i)) for i in range(force.getNumParticles())], 0)
    column = dict(zip(names, values.T, strict=True))
    neck = None
    if with_necks:
        if abs(numbers.get("neckCut", 0) * NANOMETRE - GeneralizedBorn.neck_reach) > 1e-9:
            raise _unknown(
                force, f"neckCut is {numbers.get('neckCut')} nm, expected {GeneralizedBorn.neck_reach / NANOMETRE:g}"
            )
        tables = {force.getTabulatedFunctionName(t): t for t in range(force.getNumTabulatedFunctions())}
        depth, distance = (matrix(force.getTabulatedFunction(tables[name])) for name in ("getm0", "getd0"))
        neck = (column["radindex"].astype(int), depth / NANOMETRE, distance * NANOMETRE)
    each = SHAPES[shape] or np.stack([column[key] for key in ("alpha", "beta", "gamma")], 1)
    offset = numbers.get("offset", 0.0)
    yield (
        "implicit_solvent",
        GeneralizedBorn(
            column["charge"],
            (column["or"] + offset) * NANOMETRE,
            column["sr"] / column["or"],
            each,
            neck,
            saturating=shape != HCT,
            offset=offset * NANOMETRE,
            neck_scale=numbers.get("neckScale", 0.0),
            cutoff=cutoff_of(force),
            **settings,
        ),
    )


def _computed(force: openmm.CustomGBForce) -> list[tuple[str, dict[str, str], str]]:
    found = {}
    for index in range(force.getNumComputedValues()):
        name, expression, how = force.getComputedValueParameters(index)
        found[name] = (*parts(expression), TYPES[how])
    if list(found) != ["I", "B"] or force.getNumGlobalParameters():
        raise _unknown(force, "expected the computed values I and B")
    return list(found.values())


def _energies(force: openmm.CustomGBForce, numbers: dict[str, float]) -> dict[str, float]:
    """The settings of the energy terms, after checking that the terms are known."""
    seen: dict[Any, Any] = {}
    for index in range(force.getNumEnergyTerms()):
        expression, how = force.getEnergyTermParameters(index)
        head, definitions = parts(expression)
        for pattern, (kind, expected) in TERMS.items():
            match = pattern.fullmatch(head)
            if match and pattern not in seen and TYPES[how] == kind and names_of(definitions) == expected:
                seen[pattern] = match
                numbers.update(numbers_of(definitions))
                break
        else:
            raise _unknown(force, f"energy term {index}, {head!r}")
    if not {SELF, PAIR} <= set(seen) or (seen[SELF][2] == "1") != (seen[PAIR][2] == "1"):
        raise _unknown(force, "expected the energy of each charge and that of pairs")
    factors, cutoff = [float(seen[SELF][1]), float(seen[PAIR][1])], cutoff_of(force)
    beyond = 1 / cutoff * NANOMETRE if cutoff else 0.0
    if np.abs(np.array(factors) / FACTOR - 1).max() > 1e-6 or abs(float(seen[PAIR][3] or 0) - beyond) > 1e-6:
        raise _unknown(force, "its constants are not k_e and 1/cutoff")
    surface = float(seen[SURFACE][1]) if SURFACE in seen else 0.0
    return {
        "solute_dielectric": numbers["soluteDielectric"],
        "solvent_dielectric": numbers["solventDielectric"],
        "kappa": 0.0 if seen[SELF][2] == "1" else numbers["kappa"] / NANOMETRE,
        "surface_tension": surface / (4 * np.pi) * KJ_PER_MOL / NANOMETRE**2,
    }


def _unknown(force: openmm.CustomGBForce, why: str) -> UnknownForce:
    energies = " + ".join(force.getEnergyTermParameters(t)[0] for t in range(force.getNumEnergyTerms()))
    return UnknownForce(
        f"CustomGBForce (implicit solvent) with the energy {energies!r} has no term in labkit: {why}; "
        "load it with one of OpenMM's models, or without solvent"
    )
