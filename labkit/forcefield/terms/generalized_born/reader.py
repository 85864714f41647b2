"""Implicit solvent from OpenMM: GBSAOBCForce, and the CustomGBForce of its HCT, OBC, GBn and GBn2."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from labkit.errors import LabkitError
from labkit.forcefield.openmm.bonded import Named, plain, table
from labkit.forcefield.terms.generalized_born import NECK_REACH, OBC1, OBC2, GeneralizedBorn
from labkit.forcefield.terms.nbfix.openmm_tables import cutoff_of, matrix
from labkit.units import COULOMB, KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm

SPHERE = "select(step(r+sr2-or1),0.5*(1/L-1/U+0.25*(r-sr2^2/r)*(1/(U^2)-1/(L^2))+0.5*log(L/U)/r),0)"
BETWEEN = {"U": "r+sr2", "L": "max(or1,D)", "D": "abs(r-sr2)"}
INTEGRAL = (SPHERE, BETWEEN)
NECKS = (
    "Ivdw+neckScale*Ineck",
    {
        "Ineck": "step(radius1+radius2+neckCut-r)*getm0(radindex1,radindex2)"
        "/(1+100*(r-getd0(radindex1,radindex2))^2+0.3*1000000*(r-getd0(radindex1,radindex2))^6)",
        "Ivdw": SPHERE,
        **BETWEEN,
        "radius1": "or1+offset",
        "radius2": "or2+offset",
    },
)
HCT = "1/(1/or-I)"
OWN_SHAPE = "1/(1/or-tanh(alpha*psi-beta*psi^2+gamma*psi^3)/radius)"
#: 1/B as OpenMM writes it: (α, β, γ), None where each atom has its own; HCT has no tanh.
SHAPES: dict[str, tuple[float, ...] | None] = {
    HCT: (1.0, 0.0, 0.0),
    "1/(1/or-tanh(0.8*psi+2.909125*psi^3)/radius)": OBC1,
    "1/(1/or-tanh(psi-0.8*psi^2+4.85*psi^3)/radius)": OBC2,
    "1/(1/or-tanh(1.09511284*psi-1.907992938*psi^2+2.50798245*psi^3)/radius)": (1.09511284, 1.907992938, 2.50798245),
    OWN_SHAPE: None,
}
RADIUS = {"radius": "or+offset"}
F = {"f": "sqrt(r^2+B1*B2*exp(-r^2/(4*B1*B2)))"}
NUMBER = r"([0-9.]+(?:e[+-]?[0-9]+)?)"
SELF = re.compile(rf"-0\.5\*{NUMBER}\*\(1/soluteDielectric-(1|exp\(-kappa\*B\))/solventDielectric\)\*charge\^2/B")
PAIR = re.compile(
    rf"-{NUMBER}\*\(1/soluteDielectric-(1|exp\(-kappa\*f\))/solventDielectric\)\*charge1\*charge2"
    rf"(?:/f|\*\(1/f-{NUMBER}\))"
)
SURFACE = re.compile(rf"{NUMBER}\*\(radius\+0\.14\)\^2\*\(radius/B\)\^6")
TERMS = {SELF: ("SingleParticle", {}), SURFACE: ("SingleParticle", RADIUS), PAIR: ("ParticlePairNoExclusions", F)}
TYPES = ("SingleParticle", "ParticlePair", "ParticlePairNoExclusions")
FACTOR = COULOMB / KJ_PER_MOL / NANOMETRE  # k_e in OpenMM's units


def obc(force: openmm.GBSAOBCForce, system: openmm.System) -> Named:
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


def custom_born(force: openmm.CustomGBForce, system: openmm.System) -> Named:
    """The models that OpenMM's app writes as a CustomGBForce, by their expressions; others raise LabkitError."""
    (integral, inner, how), (shape, outer, _) = _computed(force)
    numbers = {**_numbers(inner), **_numbers(outer)}
    with_necks = (integral, _names(inner)) == NECKS
    known = with_necks or (integral, _names(inner)) == INTEGRAL
    psi = {} if shape == HCT else {"psi": "I*or", **RADIUS}
    if not known or how != "ParticlePairNoExclusions" or shape not in SHAPES or _names(outer) != psi:
        raise _unknown(force, "its radii are not those of HCT, OBC1, OBC2, GBn or GBn2")
    settings = _energies(force, numbers)
    names = [force.getPerParticleParameterName(p) for p in range(force.getNumPerParticleParameters())]
    _, values = table([list(force.getParticleParameters(i)) for i in range(force.getNumParticles())], 0)
    column = dict(zip(names, values.T, strict=True))
    neck = None
    if with_necks:
        if abs(numbers.get("neckCut", 0) * NANOMETRE - NECK_REACH) > 1e-9:
            raise _unknown(force, f"neckCut is {numbers.get('neckCut')} nm, expected {NECK_REACH / NANOMETRE:g}")
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


def _parts(expression: str) -> tuple[str, dict[str, str]]:
    """What is computed, and what is defined behind it."""
    head, *rest = re.sub(r"\s", "", expression).rstrip(";").split(";")
    return head, dict(part.split("=", 1) for part in rest if part)


def _numbers(definitions: dict[str, str]) -> dict[str, float]:
    return {name: float(value) for name, value in definitions.items() if re.fullmatch("-?" + NUMBER, value)}


def _names(definitions: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in definitions.items() if name not in _numbers(definitions)}


def _computed(force: openmm.CustomGBForce) -> list[tuple[str, dict[str, str], str]]:
    found = {}
    for index in range(force.getNumComputedValues()):
        name, expression, how = force.getComputedValueParameters(index)
        found[name] = (*_parts(expression), TYPES[how])
    if list(found) != ["I", "B"] or force.getNumGlobalParameters():
        raise _unknown(force, "expected the computed values I and B")
    return list(found.values())


def _energies(force: openmm.CustomGBForce, numbers: dict[str, float]) -> dict[str, float]:
    """The settings that the energy terms have, after checks that they are the known ones."""
    seen: dict[re.Pattern, re.Match] = {}
    for index in range(force.getNumEnergyTerms()):
        expression, how = force.getEnergyTermParameters(index)
        head, definitions = _parts(expression)
        for pattern, (kind, expected) in TERMS.items():
            match = pattern.fullmatch(head)
            if match and pattern not in seen and TYPES[how] == kind and _names(definitions) == expected:
                seen[pattern] = match
                numbers.update(_numbers(definitions))
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


def _unknown(force: openmm.CustomGBForce, why: str) -> LabkitError:
    energies = " + ".join(force.getEnergyTermParameters(t)[0] for t in range(force.getNumEnergyTerms()))
    return LabkitError(
        f"CustomGBForce (implicit solvent) with the energy {energies!r} has no term in labkit: {why}; "
        "load it with one of OpenMM's models, or without solvent"
    )
