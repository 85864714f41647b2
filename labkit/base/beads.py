"""A system of beads, without a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from labkit.base.bonded import bonds_of
from labkit.base.state import State
from labkit.base.system import System
from labkit.base.vocabulary import Vocabulary
from labkit.config import config
from labkit.errors import LabkitError


def beads(positions: Any, types: Sequence[str], masses: Any, bonds: Any = None, *, seed: int = 0) -> State:
    """One open system of beads at rest.

    positions (n, 3) Å; types (n,) names; masses (n,) u, or one for all; bonds (b, 2), None if they are not known

    Raises LabkitError for wrong numbers of types or masses, masses that are not positive, and bonds of unknown atoms.

    >>> pair = beads([[0, 0, 0], [3.8, 0, 0]], ["CA", "CA:GLY"], masses=12.0, bonds=[[0, 1]])
    >>> pair.system.type_name(1), pair.system.numbers.tolist()
    ('CA:GLY', [0, 0])
    """
    dtype, device = config().dtype, config().device
    places = torch.as_tensor(positions, dtype=dtype, device=device).reshape(-1, 3)
    mass, vocabulary = torch.as_tensor(masses, dtype=dtype, device=device), Vocabulary(tuple(dict.fromkeys(types)))
    if mass.dim() and len(mass) != len(places):
        raise LabkitError(f"{len(mass)} masses for {len(places)} beads; give one for each, or one for all")
    if not bool((mass > 0).all()):
        raise LabkitError(f"masses {mass.tolist()}: expected positive numbers, u")
    system = System(
        numbers=torch.zeros(len(places), dtype=torch.int64, device=device),
        masses=mass.expand(len(places)).clone(),
        index=torch.zeros(len(places), dtype=torch.int64, device=device),
        pbc=torch.zeros(1, 3, dtype=torch.bool, device=device),
        types=torch.tensor([vocabulary.places[name] for name in types], dtype=torch.int64, device=device),
        vocabulary=vocabulary,
        bonds=None if bonds is None else bonds_of(bonds, len(places)).to(device),
    )
    return State(system, places, torch.zeros(1, 3, 3, dtype=dtype, device=device), torch.zeros_like(places), seed=seed)
