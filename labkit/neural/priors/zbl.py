"""Zbl: the repulsion of nuclei screened by their electrons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from ase.data import covalent_radii
from torch import Tensor

from labkit.base import ELEMENTS, Neighbours, Potential, System
from labkit.errors import LabkitError
from labkit.units import COULOMB

AMPLITUDES = (0.18175, 0.50986, 0.28022, 0.02817)
DECAYS = (3.1998, 0.94229, 0.4029, 0.20162)
SCREENING, POWER = 0.46850, 0.23  # Å


class Zbl(Potential):
    """E = Σ_{i<j} k Z_i Z_j/r φ(r/a) p(r/R), for short distances, where there are no labels.

    a = 0.4685 Å/(Z_i^0.23 + Z_j^0.23); p = 1 - 28 x⁶ + 48 x⁷ - 21 x⁸ goes smoothly to zero at R: bonds at equilibrium
    are hardly affected.

    elements  symbols
    reach     R in Å; None for the sum of two covalent radii

    Raises LabkitError if a symbol is not an element, and at evaluation for an atom of another element.
    Source: Ziegler, Biersack, Littmark, The Stopping and Range of Ions in Matter (1985).

    >>> from ase import Atoms
    >>> from labkit.base import State
    >>> near, bonded = (Atoms("OH", positions=[[0, 0, 0], [0, 0, r]]) for r in (0.3, 1.0))
    >>> [round(x, 1) for x in Zbl(["H", "O"]).evaluate(State.from_atoms([near, bonded])).energy.tolist()]
    [102.0, 0.0]
    """

    def __init__(self, elements: Sequence[str], reach: float | None = None) -> None:
        super().__init__()
        strange = [name for name in elements if name not in ELEMENTS]
        if strange or not elements:
            raise LabkitError(f"Zbl: {strange[0]!r} is no element" if strange else "Zbl: no elements were given")
        if reach is not None and not 0 < reach <= 50:
            raise LabkitError(f"Zbl: reach is {reach:g} Å; expected more than 0, at most 50 Å")
        self.elements, self.reach = tuple(elements), reach
        self.numbers = [ELEMENTS.index_of(name) for name in elements]
        radii = torch.from_numpy(covalent_radii.copy()) if reach is None else torch.full((len(ELEMENTS),), reach / 2.0)
        self.register_buffer("radii", radii.double(), persistent=False)
        self.cutoff = 2 * float(self.radii[self.numbers].max())

    def settings(self) -> dict[str, Any]:
        """Its arguments."""
        return {"elements": list(self.elements), "reach": self.reach}

    def atomic_energies(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        system.check_species(self.numbers)
        near, vectors = neighbours.within(self.cutoff, positions, cell)
        r = vectors.norm(dim=1)
        first, second = (system.numbers.index_select(0, x) for x in (near.i, near.j))
        x = r / (self.radii[first] + self.radii[second]).to(r)
        z, other = first.to(r), second.to(r)
        reduced = r * (z**POWER + other**POWER) / SCREENING
        screening = sum(a * torch.exp(-b * reduced) for a, b in zip(AMPLITUDES, DECAYS, strict=True))
        ends = torch.where(x < 1, 1 - x**6 * (28 - 48 * x + 21 * x * x), 0.0)
        energy = 0.5 * COULOMB * z * other / r * screening * ends  # half: each pair appears twice
        return energy.new_zeros(system.n_atoms).index_add(0, near.i, energy)
