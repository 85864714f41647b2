"""Nearest training environments against all distances, and surroundings against minimum images."""

import numpy as np
import pytest
import torch
from ase.build import molecule

import labkit
from labkit.active import NearestEnvironments
from labkit.active.nearest_known import nearest_known, surroundings
from labkit.active.uncertainties.environments import known_environments
from labkit.base import Committee, ModulePotential, State
from labkit.errors import LabkitError
from labkit.gap import Design, GapConfig, Soap
from labkit.neural import untrained


@pytest.fixture(scope="module")
def frames():
    return labkit.datasets.ice("train", n=50)


@pytest.mark.parametrize("kind", ["network", "GAP", "committee"])
def test_nearest_are_those_of_all_distances(frames, kind):
    potential = untrained(frames, channels=8, cutoff=3.0)
    if kind == "GAP":
        potential = Design.build(frames[:6], GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=20))).solve()
    asked = labkit.datasets.ice("disordered").atoms[5]
    given = Committee([potential, potential]) if kind == "committee" else potential
    found = nearest_known(given, frames, asked, 4, count=3)
    distance = NearestEnvironments(potential, frames, k=3, most=10_000)
    expected = distance(State.from_atoms(asked)).per_atom[4]
    assert np.mean([one.distance for one in found]) == pytest.approx(float(expected), rel=1e-5)
    assert all(frames.atoms[one.frame].symbols[one.atom] == asked.symbols[4] for one in found)
    assert found == sorted(found, key=lambda one: one.distance)


def test_each_known_atom_is_nearest_to_itself(frames):
    potential = untrained(frames, channels=8, cutoff=3.0)
    vectors = known_environments(potential, frames)
    assert sum(len(torch.unique(each, dim=0)) for each in vectors.values()) == frames.counts.sum()
    for frame, atom in ((0, 0), (17, 11), (49, 5)):
        (found,) = nearest_known(potential, frames, frames.atoms[frame], atom)
        assert (found.frame, found.atom) == (frame, atom) and found.distance < 1e-5


def test_what_has_no_environments_is_refused(frames):
    with pytest.raises(LabkitError, match="has no features"):
        nearest_known(ModulePotential(lambda x: x.sum()), frames, frames.atoms[0], 0)


def test_surroundings_are_all_images_within_the_cutoff(frames):
    atoms = frames.atoms[0]
    found = surroundings(atoms, 3, 5.0)
    shifts = np.array([[i, j, k] for i in range(-3, 4) for j in range(-3, 4) for k in range(-3, 4)]) @ atoms.cell.array
    apart = (atoms.positions[:, None] + shifts - atoms.positions[3]).reshape(-1, 3)
    lengths = np.sort(np.linalg.norm(apart, axis=1))
    np.testing.assert_allclose(np.linalg.norm(found.positions, axis=1), lengths[lengths < 5.0], atol=1e-9)
    assert len(surroundings(molecule("H2O"), 0, 1.2)) == 3
