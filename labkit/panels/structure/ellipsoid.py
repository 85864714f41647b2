"""A symmetric tensor as an ellipsoid of lines around the atoms, its anisotropy enlarged so that it is seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from labkit.panels.kit.style import FORCE, VALID

#: info of a frame -> colour, and whether every other piece is left out
DRAWN = {"polarizability": (FORCE, False), "predicted_polarizability": (VALID, True)}
PIECES = 48  # of an ellipse
LARGEST = 0.45  # relative change of a half axis at the largest anisotropy of the first tensor


@dataclass(frozen=True)
class EllipsoidScale:
    """Half axes R (1 + s (α_k/ᾱ - 1)) Å for eigenvalues α_k: ᾱ is `mean`, s is `enlarged`, R is `radius`."""

    mean: float
    enlarged: float
    radius: float

    @classmethod
    def of(cls, atoms: Atoms) -> EllipsoidScale | None:
        """The scale by the first tensor of a frame, to be kept for others; None without a tensor."""
        tensor = next((np.asarray(atoms.info[name]) for name in DRAWN if _is_tensor(atoms, name)), None)
        if tensor is None or not np.trace(tensor) > 0:
            return None
        values = np.linalg.eigvalsh(tensor)
        off = np.abs(values / values.mean() - 1).max()
        enlarged = float(np.clip(LARGEST / off, 1.0, 100.0)) if off > 0 else 1.0
        return cls(float(values.mean()), float(f"{enlarged:.1g}"), 0.35 * float(np.ptp(atoms.positions, axis=0).max()))

    def axes(self, tensor: np.ndarray) -> np.ndarray:
        """The half axes as rows (3, 3), Å."""
        values, vectors = np.linalg.eigh(tensor)
        lengths = self.radius * np.clip(1 + self.enlarged * (values / self.mean - 1), 0.05, 3.0)
        return lengths[:, None] * vectors.T

    def lines(self, atoms: Atoms) -> list[tuple[np.ndarray, str]]:
        """Pieces of the three principal ellipses of each tensor of a frame, (k, 2, 3) Å, with their colour."""
        centre, turns = atoms.positions.mean(0), np.linspace(0, 2 * np.pi, PIECES + 1)
        found = []
        for name, (colour, dashed) in DRAWN.items():
            if not _is_tensor(atoms, name):
                continue
            half = self.axes(np.asarray(atoms.info[name]))
            for a, b in ((0, 1), (0, 2), (1, 2)):
                path = centre + np.outer(np.cos(turns), half[a]) + np.outer(np.sin(turns), half[b])
                pieces = np.stack([path[:-1], path[1:]], 1)
                found.append((pieces[::2] if dashed else pieces, colour))
        return found


def _is_tensor(atoms: Atoms, name: str) -> bool:
    return np.shape(atoms.info.get(name)) == (3, 3) and bool(np.isfinite(atoms.info[name]).all())
