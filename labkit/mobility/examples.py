"""Small experiments with colloids: states without a file, external forces, a cloud, a wall."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.base import Neighbours, Potential, State, System, Vocabulary
from labkit.errors import LabkitError

COLLOID = Vocabulary(("colloid",))
MASS = 2500.0  # u, about that of a ball of silica of 1 nm; Brownian dynamics does not use it


def colloids(positions: Tensor, seed: int = 0) -> State:
    """S open systems of n colloids each, at positions (S, n, 3) Å.

    >>> system = colloids(torch.zeros(3, 2, 3, dtype=torch.float64)).system
    >>> system.n_systems, system.type_name(0)
    (3, 'colloid')
    """
    systems, n, _ = positions.shape
    flat = positions.reshape(-1, 3).clone()
    system = System(
        numbers=torch.zeros(systems * n, dtype=torch.int64),
        masses=torch.full((systems * n,), MASS, dtype=flat.dtype),
        index=torch.arange(systems).repeat_interleave(n),
        pbc=torch.zeros(systems, 3, dtype=torch.bool),
        types=torch.zeros(systems * n, dtype=torch.int64),
        vocabulary=COLLOID,
    )
    return State(system, flat, flat.new_zeros(systems, 3, 3), torch.zeros_like(flat), seed=seed)


class Alone(Potential):
    """Base class of potentials of each particle by itself; `each` returns energies (n,) eV."""

    cutoff = 0.0

    def each(self, positions: Tensor) -> Tensor:
        raise NotImplementedError

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        return system.sum_over_atoms(self.each(positions))


class Pull(Alone):
    """E = -Σ F·r with constant forces: (n, 3) or the same (3,) for all, eV/Å."""

    def __init__(self, forces: Tensor) -> None:
        super().__init__()
        self.register_buffer("forces", torch.as_tensor(forces, dtype=torch.float64))

    def each(self, positions: Tensor) -> Tensor:
        return -(self.forces * positions).sum(1)


class AboveWall(Alone):
    """E = w z + B exp(-(z - a)/λ): a weight w [eV/Å], and a charged wall at z = 0 that repels balls of radius a.

    repulsion B in eV at contact; length λ in Å
    """

    def __init__(self, weight: float, repulsion: float, length: float, radius: float) -> None:
        super().__init__()
        self.weight, self.repulsion, self.length, self.radius = weight, repulsion, length, radius

    def each(self, positions: Tensor) -> Tensor:
        return self.of_height(positions[:, 2])

    def of_height(self, z: Tensor) -> Tensor:
        """The energy as a function of height, any shape."""
        return self.weight * z + self.repulsion * torch.exp(-(z - self.radius) / self.length)

    def boltzmann(self, thermal: float, top: float, points: int = 2000) -> tuple[Tensor, Tensor]:
        """Heights from the wall to `top` Å and their density exp(-E/k_BT), 1/Å, at k_BT in eV."""
        z = torch.linspace(0.0, top, points, dtype=torch.float64)
        energy = self.of_height(z)
        weight = torch.exp(-(energy - energy.min()) / thermal)
        return z, weight / torch.trapezoid(weight, z)

    def heights(self, count: int, thermal: float, top: float, seed: int = 0) -> Tensor:
        """Heights drawn from that density, (count,) Å."""
        z, density = self.boltzmann(thermal, top)
        below = torch.cat([torch.zeros(1, dtype=torch.float64), torch.cumulative_trapezoid(density, z)])
        chosen = torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * below[-1]
        k = torch.searchsorted(below, chosen).clamp(1, len(z) - 1)
        share = (chosen - below[k - 1]) / (below[k] - below[k - 1])
        return z[k - 1] + share * (z[k] - z[k - 1])


def cloud(count: int, radius: float, least: float, seed: int = 0) -> Tensor:
    """(count, 3) Å: random places in a ball of this radius, no two closer than `least`.

    Raises LabkitError if there is no room.

    >>> cloud(50, 80.0, 24.0).shape
    torch.Size([50, 3])
    """
    generator = torch.Generator().manual_seed(seed)
    found = torch.empty(0, 3, dtype=torch.float64)
    for _ in range(2000 * count):
        place = radius * (2 * torch.rand(1, 3, generator=generator, dtype=torch.float64) - 1)
        if float(place.norm()) <= radius and not bool((torch.cdist(found, place) < least).any()):
            found = torch.cat([found, place])
            if len(found) == count:
                return found
    raise LabkitError(
        f"only {len(found)} of {count} places {least:g} Å apart were found in a ball of radius {radius:g} Å; use a "
        "larger one"
    )


def lammps_commands(positions: Tensor, timestep: float) -> str:
    """Commands of LAMMPS (units metal) that place balls at positions (n, 3) Å in an open box; timestep in fs."""
    side = 100 * float(positions.abs().max() + 1)
    lines = [
        "units metal", "boundary s s s", "atom_modify map yes",
        f"region box block {-side:.6g} {side:.6g} {-side:.6g} {side:.6g} {-side:.6g} {side:.6g}", "create_box 1 box",
        *(f"create_atoms 1 single {x!r} {y!r} {z!r}" for x, y, z in positions.tolist()),
        f"mass 1 {MASS:g}", "pair_style zero 30", "pair_coeff * *", f"timestep {1e-3 * timestep!r}",
    ]  # fmt: skip
    return "\n".join(lines)
