"""Entropy: the frames whose prediction is spread over the most values, by the members of a committee."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from labkit.active.selection.committee_disagreement import deviation
from labkit.active.selection.pool import Pool
from labkit.active.selection.rule import Ranking, check_members
from labkit.errors import LabkitError

NODES = 32  # of Gauss-Hermite quadrature
CHUNK = 1 << 21  # exponentials at once


@dataclass(frozen=True)
class Entropy(Ranking):
    """The n frames with the largest entropy H = -∫ p ln p de of the predicted energy per atom e.

    p(e) = 1/M Σ_m N(e; e_m, h²), a Gaussian mixture with a component for each of the M members.

    width  h, eV/atom: the noise of each member, below which differences do not count. None: of each frame
           1.06 σ M^(-1/5) (Silverman), with σ the standard deviation of its members

    For one Gaussian H = ½ ln(2πe σ²), so that the order is that of the variance. It differs where members form groups:
    two groups far apart have a large variance, but only ln 2 more entropy than one of them.

    Raises LabkitError for a committee of one, or a width that is not positive. Source: Shannon, Bell Syst. Tech. J. 27,
    379 (1948); quadrature of each component by Gauss and Hermite.

    >>> groups = [[-1.0, -0.6], [-1.0, -0.2], [1.0, 0.2], [1.0, 0.6]]  # larger variance, smaller entropy; and the other
    >>> Entropy(width=0.1).choose(Pool(n_atoms=[1, 1], members=groups), 1).indices.tolist()
    [1]
    """

    needs: ClassVar[frozenset[str]] = frozenset({"members"})
    lowest: ClassVar[float] = -math.inf
    width: float | None = None

    def __post_init__(self) -> None:
        if self.width is not None and not (math.isfinite(self.width) and self.width > 0):
            raise LabkitError(f"Entropy: width is {self.width}; expected a positive number of eV/atom, or None")

    def scores(self, pool: Pool) -> tuple[np.ndarray, str, str]:
        count = len(pool.members)
        check_members(count, type(self).__name__)
        sigma = deviation(pool.members)
        if not sigma.any():
            return np.full(len(pool), -np.inf), "entropy", ""
        width = 1.06 * sigma * count**-0.2 if self.width is None else np.full(len(pool), self.width)
        found, some = np.full(len(pool), -np.inf), np.flatnonzero(width > 0)
        found[some] = mixture_entropy(pool.members[:, some], width[some])
        return found, "entropy", ""


def mixture_entropy(means: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Entropies (P,) of mixtures of M equal Gaussians with means (M, P) and standard deviations `width` (P,)."""
    count, frames = means.shape
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    scaled = (means / width).T
    found = np.empty(frames)
    for part in np.array_split(np.arange(frames), max(1, frames * count**2 * NODES // CHUNK)):
        at = scaled[part]
        x = at[:, :, None, None] + nodes[None, None, :, None]  # (p, M, nodes, 1)
        distance = 0.5 * (x - at[:, None, None, :]) ** 2
        nearest = distance.min(axis=3)
        log_p = np.log(np.exp(nearest[..., None] - distance).mean(axis=3)) - nearest
        found[part] = -(log_p @ weights).mean(axis=1) / weights.sum()
    return found + np.log(width) + 0.5 * math.log(2 * math.pi)
