"""Trajectories from elsewhere: unwrapped, and refused where frames or particles are not in order."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkit.base.nearest_image import nearest_images
from labkit.errors import LabkitError
from labkit.mobility.frame_order import check_finite, check_order, check_repeated, of_system, usual_step


class TrajectoryWarning(UserWarning):
    """Says what was changed in a trajectory."""


def continuous(trajectory: Tensor, cell: Any = None) -> Tensor:
    """The same frames (T, n, 3) or (T, S, n, 3) Å, unwrapped if a cell is given.

    cell   Å: edges (3,), lattice vectors (3, 3), or those of each system (S, 3, 3); a vector of zeros is not periodic

    A step becomes the shortest of its images, which is said in a TrajectoryWarning. Raises LabkitError, naming frames
    and particles, for coordinates that are not finite, frames that are equal or better in another order, particles
    that jump (are they wrapped into a cell?) or change places, and steps too long to be unwrapped.

    >>> walk = torch.tensor([4.0, 4.6, -4.8, -4.1]).double()[:, None, None] * torch.eye(3)[:1].double()
    >>> with warnings.catch_warnings(action="ignore"):
    ...     [round(x, 6) for x in continuous(walk, cell=[10.0, 0.0, 0.0])[:, 0, 0].tolist()]
    [4.0, 4.6, 5.2, 5.9]
    """
    x = trajectory.detach().double().cpu().numpy()
    x = x[:, None] if x.ndim == 3 else x
    check_finite(x)
    check_repeated(x)
    shifts = np.zeros_like(x)
    if cell is not None:
        shifts = _shifts(x, _lattices(cell, x.shape[1]))
        crossed = int((np.diff(shifts, axis=0) != 0).any(-1).sum())
        if crossed:
            warnings.warn(
                f"the trajectory was wrapped: {crossed} jumps across the faces of the cell were undone",
                TrajectoryWarning,
                stacklevel=3,
            )
    check_order(x - shifts, cell is not None)
    if not shifts.any():
        return trajectory
    return trajectory - torch.as_tensor(shifts).to(trajectory).view(trajectory.shape)


def _lattices(cell: Any, systems: int) -> np.ndarray:
    found = np.asarray(torch.as_tensor(cell, dtype=torch.float64).cpu())
    found = np.diag(found) if found.shape == (3,) else found
    found = np.broadcast_to(found, (systems, 3, 3)) if found.shape == (3, 3) else found
    if found.shape != (systems, 3, 3) or not np.isfinite(found).all():
        raise LabkitError(
            f"cell has the shape {np.shape(cell)}; expected finite edges (3,), lattice vectors (3, 3) or "
            f"({systems}, 3, 3), in Å"
        )
    return found


def _shifts(x: np.ndarray, lattices: np.ndarray) -> np.ndarray:
    """The lattice vectors that wrapping has added to each position."""
    shifts = np.zeros_like(x)
    for s, lattice in enumerate(lattices):
        periodic = np.abs(lattice).sum(1) > 0
        if not periodic.any():
            continue
        steps = np.diff(x[:, s], axis=0)
        shortest = steps.copy()
        half = 0.5 * _smallest_height(lattice, periodic)
        long = np.linalg.norm(steps, axis=-1) > half
        if long.any():
            of_cell = (torch.from_numpy(np.array(a))[None] for a in (lattice, periodic))
            images = nearest_images(torch.from_numpy(steps[long]), *of_cell, torch.zeros(int(long.sum()), dtype=int))
            shortest[long] += images.numpy() @ lattice
        usual = usual_step(shortest).max()
        if usual > half / 4:
            raise LabkitError(
                f"the trajectory{of_system(x, s)}: particles move by {usual:.3g} Å in each direction between frames, "
                f"too far to be unwrapped in a cell {2 * half:.3g} Å wide; save frames more often, or unwrapped"
            )
        shifts[1:, s] = np.cumsum(np.where(long[..., None], steps - shortest, 0.0), axis=0)
    return shifts


def _smallest_height(lattice: np.ndarray, periodic: np.ndarray) -> float:
    """Between the faces of the cell, or of what is periodic of it."""
    some = lattice[periodic]
    return float(1 / np.linalg.norm(np.linalg.pinv(some), axis=0).max())
