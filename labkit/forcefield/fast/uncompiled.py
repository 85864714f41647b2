"""Without compiled kernels: only the speed differs."""

from __future__ import annotations

from torch import Tensor

from labkit.base import Neighbours, Potential, System


class Uncompiled(Potential):
    """A potential evaluated with torch and autograd alone, like one that you write."""

    def __init__(self, potential: Potential) -> None:
        super().__init__()
        self.potential, self.cutoff = potential, potential.cutoff

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        return self.potential.energy(system, positions, cell, neighbours)
