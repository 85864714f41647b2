"""Chains of beads for tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from labkit.base import State, System, Vocabulary, bonds_of


def chain(names: Sequence[str], bonds: Sequence[tuple[int, int]] | None = None, seed: int = 0) -> State:
    """Beads in the open at about 3 Å; bonded one to the next, or as `bonds` says."""
    n, r = len(names), np.random.default_rng(seed)
    vocabulary = Vocabulary(tuple(dict.fromkeys(names)))
    system = System(
        numbers=torch.zeros(n, dtype=torch.int64),
        masses=torch.tensor([12.0 + 3 * (name != "CA") for name in names], dtype=torch.float64),
        index=torch.zeros(n, dtype=torch.int64),
        pbc=torch.zeros(1, 3, dtype=torch.bool),
        types=torch.tensor([vocabulary.index_of(name) for name in names]),
        vocabulary=vocabulary,
        bonds=bonds_of([(i, i + 1) for i in range(n - 1)] if bonds is None else bonds, n),
    )
    places = torch.as_tensor(np.cumsum(r.normal(size=(n, 3)) + [3.0, 0, 0], 0))
    return State(system, places, torch.zeros(1, 3, 3, dtype=torch.float64), torch.zeros_like(places))
