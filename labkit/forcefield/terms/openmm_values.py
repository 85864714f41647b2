"""Numbers, cutoffs, tables and expressions of OpenMM's forces, for terms to read and write.

OpenMM's units are nm, kJ/mol, rad, e and u.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from labkit.units import KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm

SPRING = KJ_PER_MOL / NANOMETRE**2  # eV/Å²


def plain(quantity: Any) -> float:
    """The number of an OpenMM value, with or without a unit, in OpenMM's units."""
    return quantity.value_in_unit(quantity.unit) if hasattr(quantity, "unit") else float(quantity)


def table(rows: list[list[Any]], atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `atoms` indices and then values: (m, atoms) integers and (m, values) floats."""
    indices = np.array([row[:atoms] for row in rows], dtype=np.int64)
    return indices, np.array([[plain(value) for value in row[atoms:]] for row in rows], dtype=np.float64)


def numbers(values: Any) -> list[Any]:
    """Plain Python numbers of a tensor, an array or a list."""
    return values.detach().cpu().tolist() if isinstance(values, Tensor) else np.asarray(values).tolist()


def rows(*fields: Tensor) -> zip:
    """Rows of plain numbers of tensors of one length."""
    return zip(*map(numbers, fields), strict=True)


def exclusions_of(force: openmm.CustomNonbondedForce) -> list[tuple[int, int]]:
    """Pairs of atoms without this interaction."""
    return [tuple(force.getExclusionParticles(m)) for m in range(force.getNumExclusions())]


def cutoff_of(force: openmm.Force) -> float | None:
    """Å; None without one."""
    return None if force.getNonbondedMethod() == force.NoCutoff else plain(force.getCutoffDistance()) * NANOMETRE


def write_cutoff(force: openmm.Force, cutoff: float | None, periodic: bool) -> None:
    """Set what `cutoff_of` reads."""
    if cutoff is not None:
        force.setNonbondedMethod(force.CutoffPeriodic if periodic else force.CutoffNonPeriodic)
        force.setCutoffDistance(cutoff / NANOMETRE)


def pair_settings(force: openmm.CustomNonbondedForce) -> tuple[list[tuple[int, int]], float | None, float | None, bool]:
    """Exclusions, cutoff [Å], switch [Å] and whether there is a long-range correction."""
    cutoff = cutoff_of(force)
    switch = plain(force.getSwitchingDistance()) * NANOMETRE if force.getUseSwitchingFunction() and cutoff else None
    correction = force.getUseLongRangeCorrection() and force.usesPeriodicBoundaryConditions()
    return exclusions_of(force), cutoff, switch, correction


def write_pair_settings(force: openmm.CustomNonbondedForce, term: Any, periodic: bool) -> None:
    """Set what `pair_settings` reads, from a term with all these settings."""
    for i, j in term.exclusions.tolist():
        force.addExclusion(i, j)
    write_cutoff(force, term.reach, periodic)
    if term.switch is not None:
        force.setUseSwitchingFunction(True)
        force.setSwitchingDistance(term.switch / NANOMETRE)
    force.setUseLongRangeCorrection(term.long_range_correction)


def matrix(function: openmm.Discrete2DFunction) -> np.ndarray:
    """The values f(i, j) of a table, [i, j]."""
    rows, columns, values = function.getFunctionParameters()
    return np.array(values).reshape(columns, rows).T


def formula(force: openmm.Force) -> str:
    """The expression of a Custom force without blanks and the final semicolon."""
    return re.sub(r"\s", "", force.getEnergyFunction()).rstrip(";")
