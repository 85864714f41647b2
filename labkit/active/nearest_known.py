"""The training environments that are most like the one of an atom, and environments as atoms to look at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list

from labkit.active.uncertainties.environments import environments
from labkit.active.uncertainties.parts import parts_of
from labkit.base import Committee, Potential, State
from labkit.base.frames import batches
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap import GapModel
from labkit.neural import NeuralPotential


class NearestKnown(NamedTuple):
    """An atom of a known frame, and the distance of its vector."""

    frame: int
    atom: int
    distance: float


def nearest_known(potential: Potential, known: Dataset, atoms: Atoms, atom: int, count: int = 1) -> list[NearestKnown]:
    """The atoms of known frames, of the same species, whose vectors are nearest to that of `atom`, the nearest first.

    Vectors are those of `NearestEnvironments`: SOAP vectors of a GAP, last-layer features of a network; of a committee,
    its first member's. Raises LabkitError for a potential without either, and for a species that no known frame has.

    >>> import labkit
    >>> from labkit.neural import untrained
    >>> frames = labkit.datasets.ice("train", n=50)[:6]
    >>> nearest_known(untrained(frames, channels=8), frames, frames.atoms[3], 7)[0][:2]
    (3, 7)
    """
    first = potential.potentials[0] if isinstance(potential, Committee) else potential
    models = [*parts_of(first, NeuralPotential), *parts_of(first, GapModel)]
    if not models:
        raise LabkitError(f"{type(potential).__name__} has no features; give a neural potential or a GAP")
    model, found = models[0], []
    with torch.no_grad():
        own = environments(model, State.from_atoms(atoms))
        kind, vector = next((z, vectors[mine == atom][0]) for z, (mine, vectors) in own.items() if (mine == atom).any())
        for batch in batches(known.counts):
            state = known.state([int(k) for k in batch])
            if kind not in (vectors := environments(model, state)):
                continue
            rows, theirs = vectors[kind]
            frame = np.asarray(batch)[state.system.index[rows].numpy()]
            number = rows.numpy() + int(known.offsets[batch[0]]) - np.asarray(known.offsets)[frame]
            found += zip(frame.tolist(), number.tolist(), (theirs - vector).norm(dim=1).tolist(), strict=True)
    if not found:
        raise LabkitError(
            f"no known frame has {atoms.symbols[atom]}; give the frames that the potential was trained on"
        )
    return [NearestKnown(*one) for one in sorted(found, key=lambda one: one[2])[:count]]


def surroundings(atoms: Atoms, atom: int, cutoff: float) -> Atoms:
    """The atom, as number 0 in the origin, and all neighbours within a cutoff [Å], with periodic images; no cell.

    >>> import labkit
    >>> near = surroundings(labkit.datasets.ice("minimum").atoms[0], 0, 1.2)
    >>> str(near.symbols), near.positions[0].tolist()
    ('OH2', [0.0, 0.0, 0.0])
    """
    first, second, vectors = neighbor_list("ijD", atoms, cutoff)
    mine = np.flatnonzero(first == atom)
    mine = mine[np.linalg.norm(vectors[mine], axis=1).argsort(kind="stable")]
    numbers = np.append(atoms.numbers[atom], atoms.numbers[second[mine]])
    return Atoms(numbers, np.vstack([np.zeros(3), vectors[mine]]))
