"""FarthestPoint: the frames that are farthest from one another and from those known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from labkit.active.selection.distances import farthest_from_mean, known_or_none, to_nearest
from labkit.active.selection.pool import Pool
from labkit.active.selection.rule import SelectionRule
from labkit.regression.selection import farthest_points


@dataclass(frozen=True)
class FarthestPoint(SelectionRule):
    """Each next frame is the one farthest from the known frames and from those taken before, by its vector.

    Without known frames the first is the one farthest from the mean. It needs no uncertainty, covers the pool evenly
    and takes outliers first: bound them with `Within`.

    Source: Imbalzano et al., J. Chem. Phys. 148, 241730 (2018).

    >>> pool = Pool(n_atoms=[1] * 4, features=[[0.0], [0.1], [1.0], [3.0]], known=[[0.0]])
    >>> FarthestPoint().choose(pool, 2).indices.tolist()
    [3, 2]
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    def pick(self, pool: Pool, n: int, seed: int) -> tuple[np.ndarray, Sequence[str]]:
        known, middle = known_or_none(pool.known), pool.features.mean(axis=0)
        rows = torch.from_numpy(pool.features - middle)
        if known is None:
            order = farthest_points(rows, n, seed, first=farthest_from_mean(pool.features))
        else:
            order = farthest_points(rows, n, seed, known=torch.from_numpy(known - middle))
        return order.numpy(), _phrases(pool.features, order.numpy(), known)


def _phrases(rows: np.ndarray, order: np.ndarray, known: np.ndarray | None) -> list[str]:
    """The distance to the nearest frame, of a taken one when it was taken and of the others at the end."""
    whose, chosen = "taken frame" if known is None else "known or taken frame", rows[order]
    before = np.full(len(order), np.inf) if known is None else to_nearest(chosen, known)[0]
    for k, x in enumerate(chosen[1:], 1):
        before[k] = min(before[k], np.linalg.norm(chosen[:k] - x, axis=1).min())
    after = to_nearest(rows, chosen if known is None else np.concatenate([known, chosen]))[0]
    last = f", the last one taken was {before[-1]:.3g} away" if np.isfinite(before[-1]) else ""
    found = [f"{x:.3g} from the nearest {whose}{last}" for x in after]
    for k, x in zip(order, before):
        found[k] = f"{x:.3g} from the nearest {whose}" if np.isfinite(x) else "the farthest from the mean"
    return found
