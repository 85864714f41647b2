"""Parameters by pairs of kinds of atoms: one table for a batch of systems that each have their own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Tables = tuple[Tensor, ...]


def join_tables(kinds: Sequence[Tensor], tables: Sequence[Tables]) -> tuple[Tensor, Tables]:
    """Kinds (n,) of all atoms and their (K, K) tables: equal ones once, different ones block by block.

    Atoms of different systems never meet, so that entries between blocks are 0.

    >>> one, other = (torch.ones(2, 2),), (torch.full((1, 1), 5.0),)
    >>> kinds, (table,) = join_tables([torch.tensor([0, 1]), torch.tensor([0]), torch.tensor([1])], [one, other, one])
    >>> kinds.tolist(), table.shape
    ([0, 1, 2, 1], torch.Size([3, 3]))
    """
    distinct: list[Tables] = []
    starts: list[int] = []
    moved = []
    for which, given in zip(kinds, tables, strict=True):
        same = (k for k, known in enumerate(distinct) if all(map(torch.equal, known, given)))
        place = next(same, len(distinct))
        if place == len(distinct):
            starts.append(starts[-1] + len(distinct[-1][0]) if starts else 0)
            distinct.append(given)
        moved.append(which + starts[place])
    return torch.cat(moved), tuple(torch.block_diag(*parts) for parts in zip(*distinct, strict=True))
