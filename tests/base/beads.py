"""Chains of beads for tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labkit.base import State, beads


def chain(names: Sequence[str], bonds: Sequence[tuple[int, int]] | None = None, seed: int = 0) -> State:
    """Beads in the open at about 3 Å; bonded one to the next, or as `bonds` says."""
    n, r = len(names), np.random.default_rng(seed)
    places = np.cumsum(r.normal(size=(n, 3)) + [3.0, 0, 0], 0)
    masses = [12.0 + 3 * (name != "CA") for name in names]
    return beads(places, names, masses, [(i, i + 1) for i in range(n - 1)] if bonds is None else bonds)


def together(states: Sequence[State]) -> State:
    """All of them as a batch, with seeds of their own."""
    return State.batch(states, seed=1)
