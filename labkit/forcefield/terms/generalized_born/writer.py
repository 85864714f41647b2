"""Implicit solvent as an OpenMM CustomGBForce, in the form of OpenMM's app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from labkit.errors import LabkitError
from labkit.forcefield.terms.generalized_born.expressions import (
    FACTOR,
    HCT,
    INTEGRAL,
    NECKS,
    OWN_SHAPE,
    RADIUS,
    SHAPES,
    F,
)
from labkit.forcefield.terms.generalized_born.term import GeneralizedBorn
from labkit.forcefield.terms.openmm_values import write_cutoff
from labkit.forcefield.terms.registry import writes
from labkit.units import KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm


@writes(GeneralizedBorn)
def _write(mm: Any, term: GeneralizedBorn, periodic: bool) -> openmm.CustomGBForce:
    """A CustomGBForce that `from_openmm` reads. Raises LabkitError for radii without tanh other than HCT's."""
    hct = not term.saturating
    if hct and bool((term.shape != term.shape.new_tensor(SHAPES[HCT])).any()):
        raise LabkitError("GeneralizedBorn without tanh has an OpenMM form for the shape (1, 0, 0) only")
    force = mm.CustomGBForce()
    for name in ("charge", "or", "sr", "alpha", "beta", "gamma", *(["radindex"] if term.necks else [])):
        force.addPerParticleParameter(name)
    offset = term.offset / NANOMETRE
    numbers = {
        "solventDielectric": term.solvent_dielectric, "soluteDielectric": term.solute_dielectric,
        "kappa": term.kappa * NANOMETRE, "offset": offset,
    }  # fmt: skip
    head, definitions = NECKS if term.necks else INTEGRAL
    more = (
        {"neckScale": term.neck_scale, "neckCut": term.neck_reach / NANOMETRE, "offset": offset} if term.necks else {}
    )
    force.addComputedValue("I", _expression(head, definitions, more), force.ParticlePairNoExclusions)
    if hct:
        force.addComputedValue("B", HCT, force.SingleParticle)
    else:
        radius = {"psi": "I*or", **RADIUS}
        force.addComputedValue("B", _expression(OWN_SHAPE, radius, {"offset": offset}), force.SingleParticle)

    def screened(name: str) -> str:
        damp = f"exp(-kappa*{name})" if term.kappa else "1"
        return f"{FACTOR:.16g}*(1/soluteDielectric-{damp}/solventDielectric)"

    shift = "/f" if term.reach is None else f"*(1/f-{NANOMETRE / term.reach:.16g})"
    force.addEnergyTerm(_expression(f"-0.5*{screened('B')}*charge^2/B", {}, numbers), force.SingleParticle)
    if term.surface_tension:
        surface = 4 * np.pi * term.surface_tension / KJ_PER_MOL * NANOMETRE**2
        head = f"{surface:.16g}*(radius+{term.probe / NANOMETRE:g})^2*(radius/B)^6"
        force.addEnergyTerm(_expression(head, RADIUS, numbers), force.SingleParticle)
    force.addEnergyTerm(
        _expression(f"-{screened('f')}*charge1*charge2{shift}", F, numbers), force.ParticlePairNoExclusions
    )
    for name, values in (("getm0", term.depth * NANOMETRE), ("getd0", term.distance / NANOMETRE)):
        if term.necks:
            force.addTabulatedFunction(name, mm.Discrete2DFunction(*values.shape, values.T.flatten().tolist()))
    rho = term.radii.detach() / NANOMETRE - offset
    columns = [term.charges, rho, rho * term.screen, *term.shape.T, *([term.kinds] if term.necks else [])]
    for row in zip(*(column.tolist() for column in columns), strict=True):
        force.addParticle(row)
    write_cutoff(force, term.reach, periodic)
    return force


def _expression(head: str, definitions: dict[str, str], numbers: dict[str, float]) -> str:
    return ";".join(
        [head, *(f"{k}={v}" for k, v in definitions.items()), *(f"{k}={v:.16g}" for k, v in numbers.items())]
    )
