"""Environments of atoms as tensors: J of them, with features of every degree, and the rows that they sum to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from ase import Atoms
from torch import Tensor

from labkit.polarizability.target import Target


@dataclass(frozen=True, eq=False)
class Environments:
    """J environments of atoms, and the rows that they sum to.

    numbers  (J,)             atomic numbers of the centres
    frame    (J,)             ascending
    group    (J,)             the row an environment belongs to
    weight   (J,)             its weight in that row
    features {λ: (J, 2λ+1, F)}
    """

    numbers: Tensor
    frame: Tensor
    group: Tensor
    weight: Tensor
    features: dict[int, Tensor]

    @property
    def n_groups(self) -> int:
        return int(self.group.max()) + 1 if len(self.group) else 0

    def take(self, which: Tensor) -> Environments:
        """A selection of environments, each as its own row with weight 1."""
        mine = torch.arange(len(which), device=which.device)
        features = {degree: p[which] for degree, p in self.features.items()}
        return Environments(self.numbers[which], self.frame[which], mine, torch.ones_like(self.weight[which]), features)

    def of_frames(self, frames: Tensor) -> Environments:
        """The environments of some frames, renumbered, in the given order; neighbours are not copied."""
        atoms = [torch.nonzero(self.frame == k)[:, 0] for k in frames]
        order = torch.cat(atoms)
        frame = torch.repeat_interleave(torch.arange(len(frames)), torch.tensor([len(a) for a in atoms])).to(order)
        by_frame = bool((self.group == self.frame).all())
        group = frame if by_frame else torch.arange(len(order)).to(order)
        first, end = int(order[0]), int(order[-1]) + 1
        which = slice(first, end) if torch.equal(order, torch.arange(first, end).to(order)) else order
        features = {degree: p[which] for degree, p in self.features.items()}
        return Environments(self.numbers[which], frame, group, self.weight[which], features)


def arrange(features: dict[int, Tensor], frames: Sequence[Atoms], target: Target) -> Environments:
    """Environments in the target's rows: one row per frame, or one per atom."""
    device = features[0].device
    counts = torch.tensor([len(atoms) for atoms in frames])
    frame = torch.repeat_interleave(torch.arange(len(frames)), counts).to(device)
    numbers = torch.cat([torch.as_tensor(atoms.numbers) for atoms in frames]).to(device)
    group = torch.arange(len(frame), device=device) if target.per_atom else frame
    weight = torch.ones(len(frame), dtype=torch.float64, device=device)
    if target.of == "mean":
        weight = weight / counts.to(device)[frame]
    return Environments(numbers, frame, group, weight, features)
