"""Geometries in which a bonded term has no energy, and their errors.

If three atoms lie in a line a torsion has no angle, and no energy if that depends on the angle; the force of a straight
angle has no direction and is set to zero, the mean over all directions. The force of a spring has no direction if its
ends are at the same place. Terms are NaN there, compiled or not, and `refuse` names the atoms (thresholds: limits.py).
"""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.base import System, find_neighbours
from labkit.errors import LabkitError
from labkit.forcefield.fast.kernels.limits import straight2


def straight(normal: Tensor, scale2: Tensor) -> Tensor:
    """Whether a cross product (m, 3) is zero within rounding; `scale2` is its largest possible length, squared (m,).

    For a torsion `scale2` may be the square of the scalar product: where they differ, the angle is not straight.
    """
    return ~(normal.detach().square().sum(1) > straight2(torch.finfo(normal.dtype).eps) * scale2.detach())


def without(energies: Tensor, undefined: Tensor) -> Tensor:
    """Energies (m,), with NaN where they are undefined, also as gradients."""
    # a product, as torch.where would give them gradients of zero
    return energies * torch.where(undefined, torch.nan, 1.0).to(energies.dtype)


def refuse(name: str, atoms: Tensor, energies: Tensor, system: System, positions: Tensor, cell: Tensor) -> None:
    """Raise LabkitError, naming atoms, for the first row of `atoms` whose energy is not finite.

    If a position is not finite it does nothing: a run reports the step in which that began.
    """
    lost = ~torch.isfinite(energies.detach())
    if not bool(lost.any()) or not bool(torch.isfinite(positions.detach()).all()):
        return
    check_apart(system, positions, cell)
    row = atoms[int(torch.nonzero(lost)[0, 0])]
    frame = int(system.index[row[0]])
    here = ", ".join(str(int(atom) - system.offsets[frame]) for atom in row)
    why = "three of them lie in a line; bend it" if len(row) > 3 else "some are nearly at the same place; move one"
    raise LabkitError(f"frame {frame}: {name} of the atoms {here} has no energy there: {why}")


def check_apart(system: System, positions: Tensor, cell: Tensor) -> None:
    """Raise LabkitError, naming them, if two atoms are at the same place: no term has an energy there."""
    if bool(torch.isfinite(positions.detach()).all()):
        find_neighbours(system, positions, cell, 0.01)
