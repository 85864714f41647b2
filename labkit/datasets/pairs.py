"""Distances within frames, and the frames that can be examined within a budget of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from ase import Atoms
from ase.data import covalent_radii

from labkit.base.cell_search import pairs_of
from labkit.base.frames import batches

CUTOFF = 5.5  # Å: two or three shells of a liquid or a metal
BATCH = 60_000  # pairs that are turned into features together: some 50 MB


class Pairs(NamedTuple):
    """Ordered pairs, images included, of F frames with n atoms in all.

    i, j      (P,)   atoms, counted through all frames
    distance  (P,)   Å
    unit      (P, 3) from i to j
    offsets   (F+1,) where the frames' atoms begin
    numbers   (n,)   atomic numbers
    """

    i: np.ndarray
    j: np.ndarray
    distance: np.ndarray
    unit: np.ndarray
    offsets: np.ndarray
    numbers: np.ndarray


def find_pairs(frames: Sequence[Atoms], cutoff: float = CUTOFF) -> Pairs:
    """All pairs nearer than `cutoff`; two coincident atoms, which a report has to name, are a pair too.

    >>> from ase.build import molecule
    >>> find_pairs([molecule("H2"), molecule("H2O")]).i.tolist()
    [0, 1, 2, 2, 3, 3, 4, 4]
    """
    offsets = np.concatenate([[0], np.cumsum([len(a) for a in frames])]).astype(int)
    parts = []
    for start, atoms in zip(offsets, frames):
        cell = atoms.cell.complete().array if atoms.pbc.any() else np.eye(3)
        inputs = (torch.as_tensor(np.ascontiguousarray(x)) for x in (atoms.positions, cell, atoms.pbc))
        i, j, shift, d = (x.numpy() for x in pairs_of(*inputs, cutoff))
        vector = atoms.positions[j] - atoms.positions[i] + shift @ cell
        parts.append((i.astype(int) + start, j.astype(int) + start, d, vector / np.maximum(d, 1e-9)[:, None]))
    joined = (np.concatenate(part) for part in zip(*parts))
    return Pairs(*joined, offsets, np.concatenate([a.numbers for a in frames]))


def portions(frames: Sequence[Atoms], which: np.ndarray) -> list[np.ndarray]:
    """The indices `which`, in their order, in portions of about BATCH pairs."""
    return [which[batch] for batch in batches((pair_count(frames[k]) for k in which), BATCH)]


def pair_count(atoms: Atoms) -> float:
    """About how many ordered pairs a frame has: from its density if periodic, otherwise at most all."""
    n = len(atoms)
    if not atoms.pbc.all():
        return float(n * min(max(n - 1, 1), 120))
    return n * (1 + n / max(abs(atoms.cell.volume), 1e-6) * 4.19 * CUTOFF**3)


def spread(frames: Sequence[Atoms], most: int, pairs: float) -> np.ndarray:
    """Frames to examine, ascending: all, or one at random from each of as many equal stretches as the budget allows.

    Random choice avoids being in step with a period of the data.
    """
    n = len(frames)
    mean = sum(pair_count(frames[k]) for k in range(0, n, max(1, n // 200))) / len(range(0, n, max(1, n // 200)))
    count = min(n, most, max(int(pairs / max(mean, 1.0)), min(n, 8)))
    if count == n:
        return np.arange(n)
    edges = np.linspace(0, n, count + 1)
    within = np.random.default_rng(0).random(count)
    return (edges[:-1] + within * np.diff(edges)).astype(int)


def relative_distance(pairs: Pairs) -> np.ndarray:
    """(P,) distances over the sum of both covalent radii, about 1 for a bond."""
    radii = covalent_radii[pairs.numbers]
    return pairs.distance / (radii[pairs.i] + radii[pairs.j])
