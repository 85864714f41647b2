"""Frames of a pool as an oracle has to see them."""

from __future__ import annotations

from collections.abc import Sequence

from ase import Atoms

from labkit.datasets import Dataset
from labkit.datasets.labels import label_arrays
from labkit.oracles.structure import STATES


def unlabelled(frames: Dataset | Sequence[Atoms], name: str = "pool") -> Dataset:
    """A Dataset as it is; structures without labels, which `Dataset.from_atoms` refuses, become one.

    >>> from ase.build import molecule
    >>> unlabelled([molecule("H2O")]).energy.tolist()
    [nan]
    """
    if isinstance(frames, Dataset):
        return frames
    atoms = [frame.copy() for frame in frames]
    none = label_arrays({}, len(atoms), sum(map(len, atoms)), name)
    return Dataset(atoms, **none, info=[dict(frame.info) for frame in atoms], name=name)


def candidate(frames: Dataset, k: int) -> Atoms:
    """A frame with its charge and multiplicity, which a Dataset keeps in its own info.

    >>> from ase.build import molecule
    >>> hydroxide = molecule("OH")
    >>> hydroxide.info["charge"] = -1
    >>> candidate(unlabelled([hydroxide]), 0).info
    {'charge': -1}
    """
    atoms, info = frames.atoms[k].copy(), frames.info[k]
    atoms.info = {key: info[key] for key in STATES if info.get(key) is not None}
    return atoms


def candidates(frames: Dataset) -> list[Atoms]:
    """All of them."""
    return [candidate(frames, k) for k in range(len(frames))]
