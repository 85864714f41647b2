"""Heavier hydrogens, so that the timestep can be longer."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.errors import LabkitError


def hydrogen_mass_repartitioning(
    masses: Tensor, bonds: Tensor, numbers: Tensor, mass: float = 3.0, *, water: bool = False
) -> Tensor:
    """Masses (n,) u in which each hydrogen weighs `mass` and the heavy atom bound to it is lighter by the difference.

    Total masses and averages over positions do not change; fast motions slow down. Hydrogens of water are left alone
    (it is rigid anyway) unless `water`, and so are held ones (infinite mass). masses (n,), bonds (m, 2), numbers (n,).

    Hopkins et al., J. Chem. Theory Comput. 11, 1864 (2015). Raises LabkitError, naming the atom, if a heavy atom
    would become lighter than its hydrogens.

    >>> ethane = torch.tensor([12.0, 12.0] + [1.0] * 6), torch.tensor([[0, 1]] + [[h // 5, h] for h in range(2, 8)])
    >>> hydrogen_mass_repartitioning(*ethane, torch.tensor([6, 6] + [1] * 6)).tolist()
    [6.0, 6.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]
    """
    light, bonds = numbers == 1, bonds.long().view(-1, 2)
    mixed = bonds[light[bonds[:, 0]] != light[bonds[:, 1]]]
    hydrogen = torch.where(light[mixed[:, 0]], mixed[:, 0], mixed[:, 1])
    heavy = torch.where(light[mixed[:, 0]], mixed[:, 1], mixed[:, 0])
    if not water:
        one = torch.ones_like(heavy)
        hydrogens = torch.zeros_like(numbers).index_add(0, heavy, one)
        neighbours = torch.zeros_like(numbers).index_add(0, bonds.flatten(), torch.ones_like(bonds.flatten()))
        is_water = (numbers == 8) & (hydrogens == 2) & (neighbours == 2)
        kept = ~is_water[heavy]
        hydrogen, heavy = hydrogen[kept], heavy[kept]
    free = ~torch.isposinf(masses[hydrogen])
    hydrogen, heavy = hydrogen[free], heavy[free]
    gain = mass - masses[hydrogen]
    new = masses.index_add(0, heavy, -gain).index_copy(0, hydrogen, torch.full_like(gain, mass))
    poor = torch.nonzero(new[heavy] < mass)
    if len(poor):
        atom = int(heavy[int(poor[0])])
        raise LabkitError(
            f"atom {atom} would weigh {float(new[atom]):.2f} u, less than its hydrogens of {mass} u; "
            "choose a smaller mass"
        )
    return new
