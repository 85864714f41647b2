"""TrainingFrames: labelled frames whose neighbours are searched once; batches are gathered by index."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from labkit.base import find_neighbours
from labkit.base.frames import batches
from labkit.datasets import Dataset
from labkit.neural.networks.edge_pairs import EdgePairs
from labkit.neural.networks.forms import Edges

if TYPE_CHECKING:
    from labkit.neural.potential import NeuralPotential

CHUNK = 2000  # atoms per neighbour search


@dataclass(frozen=True, eq=False)
class Batch:
    """Several frames as one system; labels in units of the potential's scale, without the energies of isolated atoms.

    frames  (S,)       their numbers in the data
    counts  (S,)       atoms in each
    energy  (S,), forces (n, 3), virial (S, 3, 3) = V · stress; NaN where a frame has no label
    """

    frames: np.ndarray
    counts: Tensor
    species: Tensor
    index: Tensor
    edges: Edges
    sign: Tensor
    i: Tensor
    j: Tensor
    vectors: Tensor
    energy: Tensor
    forces: Tensor
    virial: Tensor


class TrainingFrames:
    """Frames for a potential: its species, pairs within its cutoff, and labels in its units.

    Stores pair vectors, not positions: forces and virials are sums of derivatives with respect to these vectors.

    numbers  (S,) of the frames in the data that they were made from
    """

    def __init__(self, data: Dataset, potential: NeuralPotential) -> None:
        self.data, self.potential = data, potential
        self.numbers = np.arange(len(data))
        dtype = potential.dtype
        parts: list[tuple[Tensor, ...]] = []
        volumes: list[Tensor] = []
        atoms = pairs = 0
        for rows in batches(data.counts.tolist(), CHUNK):
            state = data.state(rows)
            system = state.system
            species = potential.species_of(system)
            near = find_neighbours(system, state.positions, state.cell, potential.cutoff)
            pairing = EdgePairs.of(near, system.n_atoms)
            half, edges = pairing.half, pairing.edges
            vectors = half.vectors(state.positions, state.cell)
            order = torch.argsort(half.index, stable=True)  # the pairs of each frame together
            place = torch.empty_like(order)
            place[order] = torch.arange(len(order))
            parts.append(
                (
                    species,
                    *(x + atoms for x in (half.i[order], half.j[order])),
                    vectors[order].to(dtype),
                    half.index[order] + int(rows[0]),
                    *(x + atoms for x in (edges.i, edges.j)),
                    place[edges.pair] + pairs,
                    pairing.sign,
                )
            )
            volumes.append(torch.linalg.det(state.cell).abs())
            atoms, pairs = atoms + system.n_atoms, pairs + len(half.i)
        joined = [torch.cat(x) for x in zip(*parts, strict=True)]
        self.species, self.i, self.j, self.vectors, of_pair, self.edge_i, self.edge_j, self.edge_pair, self.sign = (
            joined
        )
        frames = len(data)
        self.atoms = torch.tensor(np.asarray(data.offsets))
        self.pairs = _offsets(of_pair, frames)
        self.edges = _offsets(torch.repeat_interleave(torch.arange(frames), self.atoms.diff())[self.edge_i], frames)
        scale = float(potential.scale)
        lone = torch.zeros(frames, dtype=torch.float64).index_add(
            0, torch.repeat_interleave(torch.arange(frames), self.atoms.diff()), potential.e0.cpu()[self.species]
        )
        found = torch.cat(volumes).numpy()
        self.volumes = np.where(found > 0, found, np.nan)  # stress needs three lattice vectors
        self.energy = ((torch.from_numpy(np.array(data.energy, float)) - lone) / scale).to(dtype)
        self.forces = (torch.from_numpy(np.array(data.forces, float)) / scale).to(dtype)
        self.virial = torch.from_numpy(data.stress * self.volumes[:, None, None] / scale).to(dtype)

    def __len__(self) -> int:
        return len(self.data)

    def of(self, potential: NeuralPotential) -> TrainingFrames:
        """The same frames for a potential with the same species, e0, scale and cutoff; nothing is copied."""
        found = copy(self)
        found.potential = potential
        return found

    def take(self, which: np.ndarray) -> TrainingFrames:
        """Some frames, in this order, also repeatedly; neighbours are not searched again."""
        found, batch, rows = copy(self), self.batch(which), torch.from_numpy(np.asarray(which))
        found.data, found.numbers, found.volumes = self.data[list(which)], self.numbers[which], self.volumes[which]
        for name in ("atoms", "pairs", "edges"):
            setattr(
                found, name, torch.cat([torch.zeros(1, dtype=torch.int64), getattr(self, name).diff()[rows].cumsum(0)])
            )
        found.edge_i, found.edge_j, found.edge_pair = batch.edges.i, batch.edges.j, batch.edges.pair
        for name in ("species", "i", "j", "vectors", "sign", "energy", "forces", "virial"):
            setattr(found, name, getattr(batch, name))
        return found

    def batch(self, which: np.ndarray) -> Batch:
        """Some frames, in this order."""
        rows = torch.from_numpy(np.asarray(which))
        atoms, counts, first = _ranges(self.atoms, rows)
        pairs, pair_counts, first_pair = _ranges(self.pairs, rows)
        edges, edge_counts, _ = _ranges(self.edges, rows)
        to_atom, to_pair = first - self.atoms[rows], first_pair - self.pairs[rows]
        of_pairs, of_edges = (
            torch.repeat_interleave(to_atom, pair_counts),
            torch.repeat_interleave(to_atom, edge_counts),
        )
        return Batch(
            frames=np.asarray(which),
            counts=counts,
            species=self.species[atoms],
            index=torch.repeat_interleave(torch.arange(len(rows)), counts),
            edges=Edges(
                self.edge_i[edges] + of_edges,
                self.edge_j[edges] + of_edges,
                self.edge_pair[edges] + torch.repeat_interleave(to_pair, edge_counts),
                len(atoms),
                len(pairs),
            ),
            sign=self.sign[edges],
            i=self.i[pairs] + of_pairs,
            j=self.j[pairs] + of_pairs,
            vectors=self.vectors[pairs],
            energy=self.energy[rows],
            forces=self.forces[atoms],
            virial=self.virial[rows],
        )


def _offsets(frame: Tensor, frames: int) -> Tensor:
    return torch.cat([torch.zeros(1, dtype=torch.int64), torch.cumsum(torch.bincount(frame, minlength=frames), 0)])


def _ranges(offsets: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The entries of these rows in sequence, the number in each, and where each begins in the result."""
    start, counts = offsets[rows], offsets[rows + 1] - offsets[rows]
    first = torch.cumsum(counts, 0) - counts
    where = torch.repeat_interleave(start - first, counts) + torch.arange(int(counts.sum()))
    return where, counts, first
