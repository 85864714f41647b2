"""Committees of GAPs: members are fits to draws of the frames, with shared rows."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from labkit.base import State
from labkit.datasets import Dataset
from labkit.datasets.labels import label_arrays
from labkit.errors import LabkitError
from labkit.gap import Design, GapConfig, Soap, gap_committee


def labelled(atoms: list[Atoms], energies: list[float]) -> Dataset:
    n = sum(map(len, atoms))
    labels = label_arrays({"energy": np.array(energies), "forces": np.zeros((n, 3))}, len(atoms), n, "frames")
    return Dataset(atoms, **labels, info=[{}] * len(atoms))


CONFIG = GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=20), sigma_virial=None)


def test_members_of_a_bootstrap_are_fits_to_their_draws(train: Dataset, valid: Dataset) -> None:
    committee, state = gap_committee(train, CONFIG, members=3), State.from_atoms(valid.atoms[:2])
    found = committee.evaluate(state).members
    assert float(found.energy.std(0).min()) > 0 and float(found.forces.std(0).max()) > 0
    drawn = np.sort(np.random.default_rng([1, 1]).integers(len(train), size=len(train)))
    assert len(set(drawn.tolist())) < len(train)
    again = Design.build(train, CONFIG).subset(drawn.tolist()).solve().evaluate(state)
    torch.testing.assert_close(found.forces[1], again.forces, rtol=1e-7, atol=1e-8)
    points = [p.terms[0].points(8) for p in committee.potentials]
    assert torch.equal(points[0], points[1])


def test_seeds_change_sparse_points(train: Dataset) -> None:
    committee = gap_committee(train[:6], CONFIG, members=2, seeds=True, bootstrap=False)
    one, other = (p.terms[0].points(8) for p in committee.potentials)
    assert not torch.equal(one, other)


def test_draws_without_a_species_or_an_isolated_atom(train: Dataset) -> None:
    """Each of 3 members lacks the only frame with carbon, or an atom alone, with a probability of 0.36."""
    methane = molecule("CH4")
    lone = [Atoms(symbol) for symbol in "HOC"]
    frames = train[:10] + labelled([methane], [-1100.0]) + labelled(lone, [-13.6, -432.0, -1030.0])
    for method in ("average", "isolated"):
        committee = gap_committee(frames, CONFIG.replace(e0_method=method), members=4)
        assert {tuple(p.species) for p in committee.potentials} == {(1, 6, 8)}
        if method == "isolated":
            assert all(p.e0 == {"H": -13.6, "C": -1030.0, "O": -432.0} for p in committee.potentials)
        assert bool(torch.isfinite(committee.evaluate(State.from_atoms(methane)).energy).all())


def test_errors(train: Dataset) -> None:
    with pytest.raises(LabkitError, match="members is 1"):
        gap_committee(train, CONFIG, members=1)
    with pytest.raises(LabkitError, match="all members would be the same"):
        gap_committee(train, CONFIG, bootstrap=False)
    with pytest.raises(LabkitError, match="all members would be the same, as all draws from one frame are; give seeds"):
        gap_committee(train[:1], CONFIG)
