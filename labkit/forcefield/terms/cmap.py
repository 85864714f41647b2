"""CMAP: an energy on a grid over two torsions, interpolated by periodic bicubic splines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from labkit.base import System
from labkit.errors import LabkitError
from labkit.forcefield.terms.degenerate import without
from labkit.forcefield.terms.dihedral import dihedral_or_none
from labkit.forcefield.terms.openmm_values import numbers, plain, rows
from labkit.forcefield.terms.registry import Named, reads, writes
from labkit.forcefield.terms.term import Term
from labkit.units import KJ_PER_MOL

if TYPE_CHECKING:
    import openmm


class Cmap(Term):
    """E = map(φ, ψ), φ of the first four atoms of a row and ψ of the last four (CHARMM's backbone correction).

    atoms (m, 8); which (m,) the map of a row; maps (g, N, N) eV: maps[g, i, j] is the energy at φ = 2πi/N, ψ = 2πj/N.
    Slopes at the points are those of periodic cubic splines along φ and ψ, and of both for the mixed derivative.
    """

    VALUES = ("maps",)
    BY_TYPES = ()
    which: Tensor

    def __init__(self, atoms: Any, which: Any, maps: Any, periodic: bool = False) -> None:
        super().__init__()
        self._set(atoms=atoms, maps=maps, periodic=periodic)
        self.register_buffer("which", torch.as_tensor(which, dtype=torch.int64).reshape(-1))
        if self.maps.dim() != 3 or self.maps.shape[1] != self.maps.shape[2]:
            raise LabkitError(f"Cmap: maps of shape {tuple(self.maps.shape)}, expected (number of maps, N, N)")
        if self.atoms.shape[1] != 8 or len(self.which) != len(self.atoms):
            raise LabkitError("Cmap: expected rows of 8 atoms and the number of a map for each row")

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        first, second = self.atoms[:, :4].contiguous(), self.atoms[:, 4:].contiguous()
        (phi, one), (psi, other) = (
            dihedral_or_none(system, positions, cell, part, self.periodic) for part in (first, second)
        )
        energies = _interpolate(self.maps, _slopes(self.maps), self.which, phi, psi)
        flat = (self.maps == self.maps[:, :1, :1]).flatten(1).all(1)  # independent of the angles
        return without(energies, (one | other) & ~flat[self.which])

    @classmethod
    def batch(cls, terms: Sequence[Self], starts: Sequence[int]) -> Self:
        same = all(term.maps is terms[0].maps for term in terms)  # replicas share one map
        firsts = [0] * len(terms) if same else [sum(len(t.maps) for t in terms[:k]) for k in range(len(terms))]
        return cls(
            torch.cat([term.atoms + start for term, start in zip(terms, starts, strict=True)]),
            torch.cat([term.which + first for term, first in zip(terms, firsts, strict=True)]),
            terms[0].maps if same else torch.cat([term.maps for term in terms]),
            **terms[0].settings(),
        )


def _slopes(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """dE/dφ, dE/dψ and d²E/dφdψ at the points, in units of the spacing."""
    n = maps.shape[1]
    one = torch.eye(n, dtype=maps.dtype, device=maps.device)
    after, before = one.roll(1, 1), one.roll(-1, 1)  # after[i] picks i + 1
    derive = torch.linalg.solve(4 * one + after + before, 3 * (after - before))
    along = derive @ maps
    return along, maps @ derive.T, along @ derive.T


def _interpolate(maps: Tensor, slopes: Sequence[Tensor], which: Tensor, phi: Tensor, psi: Tensor) -> Tensor:
    n = maps.shape[1]
    x, y = (torch.remainder(angle * n / (2 * torch.pi), n) for angle in (phi, psi))
    i, j = x.detach().long().clamp(max=n - 1), y.detach().long().clamp(max=n - 1)
    u, v = _hermite(x - i), _hermite(y - j)
    energy = torch.zeros_like(phi)
    for a in (0, 1):
        for b in (0, 1):
            at = (which, (i + a) % n, (j + b) % n)
            value, by_phi, by_psi, mixed = (table[at] for table in (maps, *slopes))
            energy = energy + u[a][0] * v[b][0] * value + u[a][1] * v[b][0] * by_phi
            energy = energy + u[a][0] * v[b][1] * by_psi + u[a][1] * v[b][1] * mixed
    return energy


def _hermite(t: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Weights of (value, slope) at the left and at the right end of a unit interval."""
    s = 1 - t
    return (s * s * (1 + 2 * t), t * s * s), (t * t * (1 + 2 * s), -s * t * t)


@reads("CMAPTorsionForce")
def _read(force: openmm.CMAPTorsionForce, system: openmm.System) -> Named:
    """CMAP torsions, one term for each size of map; OpenMM's maps vary fastest with the first angle."""
    if not force.getNumTorsions():
        return
    maps = []
    for m in range(force.getNumMaps()):
        size, energy = force.getMapParameters(m)
        maps.append(np.array([plain(e) for e in energy]).reshape(size, size).T * KJ_PER_MOL)
    given = np.array([force.getTorsionParameters(m) for m in range(force.getNumTorsions())], dtype=np.int64)
    sizes = np.array([len(grid) for grid in maps])
    for size in np.unique(sizes[given[:, 0]]):
        used = np.flatnonzero(sizes == size)
        mine = given[sizes[given[:, 0]] == size]
        which, atoms = np.searchsorted(used, mine[:, 0]), mine[:, 1:]
        stack = np.stack([maps[m] for m in used])
        yield "cmap", Cmap(atoms, which, stack, force.usesPeriodicBoundaryConditions())


@writes(Cmap)
def _write(mm: Any, term: Cmap, periodic: bool) -> openmm.CMAPTorsionForce:
    """A CMAPTorsionForce."""
    force = mm.CMAPTorsionForce()
    for grid in (term.maps / KJ_PER_MOL).mT:  # OpenMM's maps vary fastest with the first angle
        force.addMap(len(grid), numbers(torch.flatten(grid)))
    for atoms, which in rows(term.atoms, term.which):
        force.addTorsion(which, *atoms)
    return force
