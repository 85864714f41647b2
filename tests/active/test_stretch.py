"""Spreads and distances grow as a bond of ice is stretched out of the data; those that need not are named."""

import numpy as np
import pytest
import torch

from labkit.active import (
    UNCERTAINTIES,
    CommitteeSpread,
    GpVariance,
    MahalanobisDistance,
    NearestEnvironments,
)
from labkit.base import State
from labkit.datasets import Dataset, ice
from labkit.gap import Design, GapConfig, Soap, gap_committee
from labkit.neural import NeuralConfig, NeuralPotential, train, train_committee, untrained

LENGTHS = (1.0, 1.2, 1.4, 1.6)  # Å; in the data up to 1.1
FRAMES = ice("train", n=50)
SMALL = NeuralConfig(channels=16, cutoff=3.5, n_radial=8)
STEPS = {"steps": 150, "batch": 4}
#: fitted to errors in the data, and free outside; those of one network depend on how long it was trained
NEED_NOT_GROW = {"mean-variance", "evidential", "dropout", "shallow ensemble", "last layer"}


@pytest.fixture(scope="module")
def stretched() -> State:
    """One cell, with one O-H bond of each of these lengths."""
    frames = []
    for length in LENGTHS:
        atoms = ice("valid").atoms[0].copy()
        oxygen = int(np.flatnonzero(atoms.numbers == 8)[0])
        hydrogen = int(np.argsort(atoms.get_distances(oxygen, range(len(atoms)), mic=True))[1])
        atoms.set_distance(oxygen, hydrogen, length, fix=0, mic=True)
        frames.append(atoms)
    return State.from_atoms(frames)


@pytest.fixture(scope="module")
def network() -> NeuralPotential:
    return train(untrained(FRAMES, SMALL), FRAMES, **STEPS).potential


def gap(frames: Dataset):
    soap = Soap(cutoff=3.0, n_max=4, l_max=3, zeta=2, n_sparse=150)
    return Design.build(frames, GapConfig(soap, sigma_virial=None)).solve()


MADE = {
    "committee": lambda net: CommitteeSpread(train_committee(FRAMES, SMALL, members=3, **STEPS).potential),
    "committee of GAPs": lambda net: CommitteeSpread(
        gap_committee(FRAMES[:16], GapConfig(Soap(cutoff=3.0, n_max=4, l_max=3, n_sparse=60)))
    ),
    "GP variance": lambda net: GpVariance(gap(FRAMES[:16]), per_atom="forces"),
    "nearest environments": lambda net: NearestEnvironments(net, FRAMES),
    "nearest environments of a GAP": lambda net: NearestEnvironments(gap(FRAMES[:8]), FRAMES),
    "Mahalanobis distance": lambda net: MahalanobisDistance(net, FRAMES),
    "Mahalanobis distance of a GAP": lambda net: MahalanobisDistance(gap(FRAMES[:8]), FRAMES),
}


def test_every_kind_is_here_or_named() -> None:
    assert set(UNCERTAINTIES) == NEED_NOT_GROW | (set(MADE) & set(UNCERTAINTIES))


@pytest.mark.parametrize("kind", MADE)
def test_it_grows_as_a_bond_is_stretched(kind, network, stretched) -> None:
    spread = MADE[kind](network)(stretched)
    largest = spread.max_over_atoms(stretched.system)
    print(kind, largest.tolist())
    assert bool(torch.isfinite(largest).all()) and float(largest[1]) > float(largest[0])
    assert float(largest[3]) > 1.7 * float(largest[0])
