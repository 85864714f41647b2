"""The work of the forces along a trajectory: a check of energies that needs no model."""

from __future__ import annotations

import numpy as np
import torch
from ase import Atoms

from labkit.base.nearest_image import nearest
from labkit.datasets.audit.frame_labels import Labels


def path_work(labels: Labels, shift: int = 0) -> np.ndarray:
    """(S,) eV, -(F_k + F_k+1)/2 · (R_k+1 - R_k): the change of the energy to the next frame, if steps are small.

    The forces of frame k are in frame k + shift. NaN where the next frame has other atoms or another cell, or is far
    away: at the end of a trajectory.
    """
    atoms, n = labels.dataset.atoms, len(labels.dataset)
    work, moved = np.full(n, np.nan), np.full(n, np.nan)
    for k in range(n - 1):
        one, other = (labels.source(frame, np.array([shift]))[0] for frame in (k, k + 1))
        here, there = atoms[k], atoms[k + 1]
        same = labels.orders[k] == labels.orders[k + 1] and np.allclose(here.cell.array, there.cell.array)
        if min(one, other) < 0 or not same:
            continue
        step = there.positions - here.positions
        if here.pbc.any():
            step = _nearest(step, here)
        work[k] = -0.5 * float(((labels.forces(one) + labels.forces(other)) * step).sum())
        moved[k] = np.sqrt((step**2).mean())
    known = np.isfinite(moved)
    if known.any():
        work[known & (np.nan_to_num(moved) > 3 * np.median(moved[known]))] = np.nan
    return work


def _nearest(step: np.ndarray, atoms: Atoms) -> np.ndarray:
    """The shortest images (n, 3) of displacements: frames may be wrapped into the cell."""
    cell, pbc = torch.from_numpy(atoms.cell.array[None].copy()), torch.from_numpy(atoms.pbc[None])
    return nearest(torch.from_numpy(step), cell, pbc, torch.zeros(len(step), dtype=torch.int64)).numpy()
