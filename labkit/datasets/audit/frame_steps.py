"""Frames of the same atoms in the same cell, and the work of the forces from one to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from labkit.base.nearest_image import nearest
from labkit.datasets.audit.frame_labels import Labels

if TYPE_CHECKING:
    from labkit.datasets.audit.survey import Survey


class Steps:
    """Frames of the same atoms in the same cell, and the work of forces between two of them."""

    def __init__(self, labels: Labels, seen: Survey, places: np.ndarray, shift: int) -> None:
        atoms = [labels.dataset.atoms[int(k)] for k in seen.frames[places]]
        self.atoms, self.energy = len(atoms[0]), np.nan_to_num(seen.energy[places])
        self.cell, self.pbc = atoms[0].cell.array, atoms[0].pbc
        off = []
        for place in places:
            (source,) = labels.source(int(seen.frames[place]), np.array([shift]))
            off.append(labels.forces(source) - seen.of(place) if source >= 0 else np.full((self.atoms, 3), np.nan))
        self.positions, self.off = np.stack([a.positions for a in atoms]), np.stack(off)
        if not self.pbc.any():
            self._turn()

    def _turn(self) -> None:
        """Turn open frames so that they lie on the first."""
        self.positions = self.positions - self.positions.mean(1, keepdims=True)
        u, _, v = np.linalg.svd(self.positions.swapaxes(1, 2) @ self.positions[0])
        u[:, :, 2] *= np.sign(np.linalg.det(u @ v))[:, None]
        turn = u @ v
        self.positions, self.off = self.positions @ turn, self.off @ turn

    def _step(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        step = self.positions[b] - self.positions[a]
        if self.pbc.any():
            flat = torch.from_numpy(step.reshape(-1, 3))
            cell, pbc = torch.from_numpy(self.cell[None].copy()), torch.from_numpy(self.pbc[None])
            step = nearest(flat, cell, pbc, torch.zeros(len(flat), dtype=torch.int64)).numpy().reshape(step.shape)
        return step - step.mean(-2, keepdims=True)

    def implied(self, a: int, b: int) -> tuple[float, float]:
        """The change of energy, and a bound of the work of the forces that the model lacks, eV."""
        step = self._step(a, b)
        work = 0.5 * ((self.off[a] + self.off[b]) * step).sum()
        most = 0.5 * (np.linalg.norm(self.off[a]) + np.linalg.norm(self.off[b])) * np.linalg.norm(step)
        return float(self.energy[b] - self.energy[a] - work), float(most)

    def any_two(self) -> list[tuple[int, int]]:
        order = np.random.default_rng(0).permutation(len(self.energy))
        return [(int(min(a, b)), int(max(a, b))) for a, b in zip(order, np.roll(order, 1)) if a != b]

    def neighbours(self) -> list[tuple[int, int]]:
        count = len(self.energy)
        flat = self._step(np.zeros(count, int), np.arange(count)).reshape(count, -1)
        square = (flat**2).sum(1)
        apart = square[:, None] + square - 2 * flat @ flat.T
        np.fill_diagonal(apart, np.inf)
        return sorted({(min(a, int(b)), max(a, int(b))) for a, b in enumerate(apart.argmin(1))})
