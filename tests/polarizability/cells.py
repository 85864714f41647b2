"""What the tests of tensors share: small frames with synthetic or shipped tensors, and their rotation."""

from __future__ import annotations

from functools import cache

import numpy as np
from ase import Atoms
from ase.build import molecule

import labkit.datasets
from labkit.datasets import Dataset
from labkit.polarizability import TensorDesign, TensorModel, with_label

SMALL = dict(n_max=4, l_max=3, cutoff=3.5, atom_sigma=0.4, n_features=60)


@cache
def ice() -> tuple[Dataset, int]:
    """Frames with polarizabilities, those to train on first, and how many these are."""
    train = with_label(labkit.datasets.ice("train"), "polarizability")
    return train + with_label(labkit.datasets.ice("valid"), "polarizability"), len(train)


@cache
def design(**settings) -> TensorDesign:
    """Of 30 frames; the same settings are built once."""
    frames, _ = ice()
    return TensorDesign.build(frames[:30], **{**SMALL, **settings})


@cache
def fitted(**settings) -> TensorModel:
    return design(**settings).solve({0: 1e-6, 2: 1e-4}, train=range(24))


def waters(count: int = 24) -> list[Atoms]:
    """Open water molecules, distorted and turned, with made-up tensors that depend on the geometry as they should."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(count):
        atoms = molecule("H2O")
        atoms.positions += rng.normal(0, 0.05, (3, 3))
        atoms.positions = atoms.positions @ np.linalg.qr(rng.normal(size=(3, 3)))[0].T
        first, second = atoms.positions[1:] - atoms.positions[0]
        atoms.info["energy"] = float(-5 + (np.linalg.norm(first) - 0.97) ** 2 + (np.linalg.norm(second) - 0.97) ** 2)
        atoms.info["dipole"] = 0.3 * (first + second)
        atoms.info["polarizability"] = np.eye(3) + np.outer(first, first) + np.outer(second, second)
        pairs = ((first, second), (second, first))
        charge = [np.outer(v, v) + 0.5 * np.cross(np.eye(3), np.cross(v, other)) for v, other in pairs]
        atoms.arrays["born_charges"] = np.stack([-charge[0] - charge[1], *charge]).reshape(3, 9)
        frames.append(atoms)
    return frames


def moved(atoms: Atoms, turn: np.ndarray) -> Atoms:
    return Atoms(atoms.numbers, atoms.positions @ turn.T, cell=atoms.cell.array @ turn.T, pbc=atoms.pbc)
