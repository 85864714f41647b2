"""The clusters of a batch, with those of some systems replaced."""

from __future__ import annotations

import numpy as np

from labkit.forcefield.fast.kernels.clusters import Clusters


def exchanged(old: Clusters, new: Clusters, systems: np.ndarray, atoms: np.ndarray) -> Clusters:
    """`old` with the clusters of some systems (k,), whose atoms are `atoms`, replaced by `new`; all ascending.

    The ranks of a system cover the same range as its atoms, so the ranks of other systems do not change.
    """
    n = len(old.order)
    order, moved = old.order.copy(), old.moved.copy()
    order[atoms], moved[atoms] = atoms[new.order], new.moved
    system = np.concatenate([old.system, systems[new.system]])
    stays = ~np.isin(old.system, systems)
    chosen = np.concatenate([np.flatnonzero(stays), len(old.system) + np.arange(len(new.system))])
    chosen = chosen[np.argsort(system[chosen], kind="stable")]
    ranks = np.append(atoms, n)  # of the ranks of `new`; the last is no atom
    begin = np.concatenate([old.start[:-1], ranks[new.start[:-1]]])[chosen]
    first, slots = _joined(old.first, new.first, chosen)
    moves, which = np.unique(np.concatenate([old.moves, new.moves]), axis=0, return_inverse=True)
    slot = np.concatenate([old.slot, ranks[new.slot].astype(old.slot.dtype)])[slots]
    move = which.ravel().astype(old.move.dtype)[np.concatenate([old.move, new.move + len(old.moves)])[slots]]
    source = np.arange(n)
    source[atoms] = n + np.arange(len(atoms))
    masked_first, masked = _joined(old.masked_first, new.masked_first, source)
    return Clusters(
        order, moved, np.append(begin, n), system[chosen], first, slot, moves, move, masked_first,
        np.concatenate([old.masked, new.masked])[masked],
    )  # fmt: skip


def _joined(old: np.ndarray, new: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(first, which): rows of variable length, those of `old` and then of `new`, of which some are chosen, in order."""
    begin = np.concatenate([old[:-1], old[-1] + new[:-1]])[chosen]
    lengths = np.concatenate([np.diff(old), np.diff(new)])[chosen]
    first = np.concatenate([[0], np.cumsum(lengths)])
    return first, np.repeat(begin - first[:-1], lengths) + np.arange(first[-1])
