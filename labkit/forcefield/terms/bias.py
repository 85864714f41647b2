"""A bias on any collective variable that can be written in torch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labkit.base import Neighbours, Potential, System


class Bias(Potential):
    """E = U(s(r)), for each system of a batch; forces by autograd through s.

    variable   s(positions (n_s, 3) Å, cell (3, 3) Å) of the atoms of one system -> a tensor
    potential  U(s) -> a scalar, eV

    Add it to others like any potential: `forcefield + Bias(...)`.

    >>> from ase.build import molecule
    >>> from labkit.base import State
    >>> stretch = Bias(lambda r, cell: (r[1] - r[0]).norm(), lambda s: 0.5 * 10.0 * (s - 1.2) ** 2)
    >>> stretch.evaluate(State.from_atoms([molecule("H2O"), molecule("OH")])).energy.shape
    torch.Size([2])
    """

    cutoff = 0.0

    def __init__(self, variable: Callable[[Tensor, Tensor], Tensor], potential: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.variable, self.potential = variable, potential

    def values(self, system: System, positions: Tensor, cell: Tensor) -> list[Tensor]:
        """The collective variable of each system."""
        parts = positions.split(system.counts.tolist())
        return [self.variable(part, box) for part, box in zip(parts, cell, strict=True)]

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        return torch.stack([self.potential(s).reshape(()) for s in self.values(system, positions, cell)])
