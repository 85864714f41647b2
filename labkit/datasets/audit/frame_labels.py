"""The labels of a dataset, by the frame whose geometry they are compared with."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from labkit.datasets.dataset import Dataset


class Labels:
    """Forces of the frames that have them for all atoms, and which frames could have exchanged theirs.

    has      (S,) whether a frame has forces
    orders   (S,) a number for each order of elements: labels can only belong to frames of the same order
    typical  median over frames of the mean square of a force component, (eV/Å)^2
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        starts = dataset.offsets[:-1]
        self.has = np.add.reduceat(~np.isfinite(dataset.forces).all(1), starts) == 0
        squares = np.add.reduceat(np.nan_to_num(dataset.forces**2).sum(1), starts)
        self.mean_square = np.where(self.has, squares / (3 * dataset.counts), 0.0)
        self.typical = float(np.median(self.mean_square[self.has])) if self.has.any() else 0.0

    @cached_property
    def orders(self) -> np.ndarray:
        seen: dict[bytes, int] = {}
        return np.array([seen.setdefault(a.numbers.tobytes(), len(seen)) for a in self.dataset.atoms], dtype=int)

    def source(self, k: int, shifts: np.ndarray, around: bool = False) -> np.ndarray:
        """(S,) the frames k + s whose forces may belong to frame k, or -1; `around` continues at the other end."""
        n = len(self.dataset)
        source = k + np.asarray(shifts)
        inside = (source >= 0) & (source < n) | around
        source %= n
        return np.where(inside & self.has[source] & (self.orders[source] == self.orders[k]), source, -1)

    def forces(self, frame: int) -> np.ndarray:
        """(n, 3)."""
        return self.dataset.forces[self.dataset.offsets[frame] : self.dataset.offsets[frame + 1]]

    def weight(self, frames: np.ndarray, components: int) -> np.ndarray:
        """Weights of squared errors, by the size of the forces: frames with large forces count no more than others."""
        return np.where(frames >= 0, 1 / (components * (self.mean_square[frames] + self.typical) + 1e-300), 0.0)
