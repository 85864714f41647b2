"""OpenMM's expressions for implicit solvent, as its app writes them in a CustomGBForce."""

from __future__ import annotations

import re

from labkit.forcefield.terms.generalized_born.term import OBC1, OBC2
from labkit.units import COULOMB, KJ_PER_MOL, NANOMETRE

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
#: 1/B as OpenMM writes it: (α, β, γ), None if each atom has its own; HCT has no tanh.
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


def parts(expression: str) -> tuple[str, dict[str, str]]:
    """The computed expression, and the definitions after it."""
    head, *rest = re.sub(r"\s", "", expression).rstrip(";").split(";")
    return head, dict(part.split("=", 1) for part in rest if part)


def numbers_of(definitions: dict[str, str]) -> dict[str, float]:
    """The definitions that are numbers."""
    return {name: float(value) for name, value in definitions.items() if re.fullmatch("-?" + NUMBER, value)}


def names_of(definitions: dict[str, str]) -> dict[str, str]:
    """The definitions that are expressions."""
    return {name: value for name, value in definitions.items() if name not in numbers_of(definitions)}
