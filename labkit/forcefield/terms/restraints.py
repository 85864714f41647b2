"""Position restraints: harmonic, and walls around a sphere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from labkit.base import System
from labkit.errors import LabkitError
from labkit.forcefield.terms.openmm_values import SPRING, formula, table
from labkit.forcefield.terms.registry import Named, reads, unknown, writes
from labkit.forcefield.terms.term import Term
from labkit.units import NANOMETRE

if TYPE_CHECKING:
    import openmm

RESTRAINT = "0.5*k*((x-x0)^2+(y-y0)^2+(z-z0)^2)"
WALL = "0.5*k*max(0,d-radius)^2;d=sqrt((x-x0)^2+(y-y0)^2+(z-z0)^2)"


class Restraints(Term):
    """E = ½ k |r - c|².

    atoms (m, 1); k (m,) eV/Å²; centres (m, 3) Å, in the coordinates of the state (which are never wrapped)

    >>> Restraints([[0]], k=1.0, centres=[[0.0, 0.0, 0.0]]).centres.shape
    torch.Size([1, 3])
    """

    VALUES = ("k", "centres")
    SETTINGS = ()

    def __init__(self, atoms: Any, k: Any, centres: Any) -> None:
        super().__init__()
        self._set(atoms=atoms, k=k, centres=centres)
        self._rows(1)
        _check_centres(self)

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        return 0.5 * self.k * (positions[self.atoms[:, 0]] - self.centres).square().sum(1)


class FlatBottom(Term):
    """E = ½ k max(0, |r - c| - R)²: free within the radius R, a wall outside it.

    atoms (m, 1); k (m,) eV/Å²; centres (m, 3) Å; radius (m,) Å
    """

    VALUES = ("k", "centres", "radius")
    SETTINGS = ()

    def __init__(self, atoms: Any, k: Any, centres: Any, radius: Any) -> None:
        super().__init__()
        self._set(atoms=atoms, k=k, centres=centres, radius=radius)
        self._rows(1)
        _check_centres(self)

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        distance = torch.linalg.vector_norm(positions[self.atoms[:, 0]] - self.centres, dim=1)
        return 0.5 * self.k * (distance - self.radius).clamp(min=0).square()


def _check_centres(term: Restraints | FlatBottom) -> None:
    if term.centres.shape != (len(term.atoms), 3):
        name, shape = type(term).__name__, tuple(term.centres.shape)
        raise LabkitError(f"{name}: centres of shape {shape}, expected ({len(term.atoms)}, 3): one for each atom")


@reads("CustomExternalForce")
def _read(force: openmm.CustomExternalForce, system: openmm.System) -> Named:
    """Harmonic restraints and walls, in the form that labkit writes."""
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


@writes(Restraints, FlatBottom)
def _write(mm: Any, term: Restraints | FlatBottom, periodic: bool) -> openmm.CustomExternalForce:
    """A CustomExternalForce; as in labkit, of positions that are not wrapped into the box."""
    wall = isinstance(term, FlatBottom)
    force = mm.CustomExternalForce(WALL if wall else RESTRAINT)
    for name in ("k", "x0", "y0", "z0", *(["radius"] if wall else [])):
        force.addPerParticleParameter(name)
    columns = [term.k / SPRING, *(term.centres.T / NANOMETRE), *([term.radius / NANOMETRE] if wall else [])]
    for atom, row in zip(term.atoms[:, 0].tolist(), np.stack([c.detach().cpu().numpy() for c in columns], 1)):
        force.addParticle(atom, row.tolist())
    return force
