"""Optical tweezers: pairs of colloids repeatedly released at chosen distances, observed briefly, and trapped again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.engine import simulate
from labkit.engine.observers import Record
from labkit.errors import LabkitError
from labkit.mobility.brownian import Brownian
from labkit.mobility.data import Active, Passive
from labkit.mobility.examples import Pull, colloids
from labkit.mobility.mobility import Mobility

#: fs between two frames of the camera, and the frames whose lags are kept: 20 ps to 1.28 ns
FRAME, FRAMES = 20_000.0, (1, 2, 4, 8, 16, 32, 64)
LAGS = tuple(FRAME * k for k in FRAMES)


@dataclass(frozen=True, eq=False)
class Sightings:
    """Positions at which pairs were released and their displacements after each lag.

    start (T, 2, 3) Å, moved (T, lags, 2, 3) Å, forces (T, 2, 3) eV/Å or None if there were none
    """

    start: Tensor
    moved: Tensor
    forces: Tensor | None
    temperature: float

    @property
    def pairs(self) -> int:
        return len(self.start)

    def data(self, lag: float) -> Active | Passive:
        """The data for estimators and `train`, at one of LAGS [fs]. Raises LabkitError for another one."""
        if lag not in LAGS:
            raise LabkitError(f"a lag of {lag:g} fs was not kept; expected one of {', '.join(f'{t:g}' for t in LAGS)}")
        moved = self.moved[:, LAGS.index(lag)]
        if self.forces is None:
            return Passive(self.start, moved, lag, self.temperature)
        return Active(self.start, self.forces, moved / lag)

    def __add__(self, other: Sightings) -> Sightings:
        forces = None if self.forces is None or other.forces is None else torch.cat([self.forces, other.forces])
        start, moved = torch.cat([self.start, other.start]), torch.cat([self.moved, other.moved])
        return Sightings(start, moved, forces, self.temperature)


@dataclass(frozen=True, eq=False)
class Tweezers:
    """Brownian dynamics of pairs in repeated releases from optical tweezers (Crocker, J. Chem. Phys. 106, 2837, 1997).

    mobility           with ∇·M = 0, such as Oseen or RotnePragerYamakawa
    nearest, farthest  Å, range of distances of released pairs, uniformly distributed, in any direction
    force              eV/Å, standard deviation of each component of the forces on released particles; 0: no forces
    blur               Å, standard deviation of each coordinate that the camera sees
    pairs              released at once

    >>> from labkit.mobility import RotnePragerYamakawa
    >>> Tweezers(RotnePragerYamakawa(10.0, 5.3), 300.0, 25.0, 80.0, pairs=10).flash(seed=1).moved.shape
    torch.Size([10, 7, 2, 3])
    """

    mobility: Mobility
    temperature: float
    nearest: float
    farthest: float
    force: float = 0.0
    blur: float = 0.0
    pairs: int = 250

    def __post_init__(self) -> None:
        if not 0 < self.nearest < self.farthest:
            raise LabkitError(
                f"distances from {self.nearest:g} to {self.farthest:g} Å; expected a positive one, then a larger one"
            )
        for name, unit in (("force", "eV/Å"), ("blur", "Å")):
            if not 0 <= getattr(self, name) < float("inf"):
                raise LabkitError(f"{name} is {getattr(self, name):g} {unit}; expected 0 or more")

    def flash(self, seed: int) -> Sightings:
        """Release all pairs once, for the longest lag."""
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        apart = normal(self.pairs, 3)
        reach = torch.rand(self.pairs, 1, generator=generator, dtype=torch.float64)
        apart = apart / apart.norm(dim=1, keepdim=True) * (self.nearest + reach * (self.farthest - self.nearest))
        start = torch.stack([-0.5 * apart, 0.5 * apart], 1)
        forces = self.force * normal(self.pairs, 2, 3)
        record = Record(lambda state: state.positions.view(self.pairs, 6), every=1)
        walk = Brownian(self.mobility, self.temperature, scheme="euler", drift=False)
        simulate(colloids(start, seed), Pull(forces.flatten(0, 1)), walk, FRAMES[-1], FRAME, observers=[record])
        path = record.values[[0, *FRAMES]]
        seen = (path + self.blur * normal(*path.shape)).view(-1, self.pairs, 2, 3)
        moved = (seen[1:] - seen[0]).transpose(0, 1)
        return Sightings(seen[0], moved, forces if self.force else None, self.temperature)


def of_pair(mobility: Mobility, distances: Tensor) -> Tensor:
    """M_ii, and M_ij along r̂ and across it, of two particles at distances (R,) Å: (R, 3) Å²/(eV fs).

    >>> from labkit.mobility import Oseen
    >>> m = of_pair(Oseen(10.0, 1.0), torch.tensor([30.0], dtype=torch.float64))[0]
    >>> [round(float(x / m[0]), 6) for x in m]
    [1.0, 0.5, 0.25]
    """
    x = torch.zeros(len(distances), 2, 3, dtype=torch.float64)
    x[:, 1, 0] = distances
    matrix = mobility.matrix(x).detach()
    return torch.stack([matrix[:, 0, 0], matrix[:, 0, 3], matrix[:, 1, 4]], 1)
