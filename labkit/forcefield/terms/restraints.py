"""Restraints to places: harmonic, and walls that leave a sphere free."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labkit.base import System
from labkit.errors import LabkitError
from labkit.forcefield.terms.term import Term


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
        raise LabkitError(f"{name}: centres of shape {shape}, expected ({len(term.atoms)}, 3): a place for each atom")
