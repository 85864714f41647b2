"""Without compiled kernels: what differs is the speed."""

from __future__ import annotations

from torch import Tensor

from labkit.base import Neighbours, Potential, System


class Uncompiled(Potential):
    """A potential by torch and autograd alone, as one of your own would be."""

    def __init__(self, potential: Potential) -> None:
        super().__init__()
        self.potential, self.cutoff = potential, potential.cutoff

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        return self.potential.energy(system, positions, cell, neighbours)
