"""message_steps: against the path of fewest hops, and against what a network can feel."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import State
from labkit.base.message_steps import message_steps
from labkit.datasets import ice
from labkit.errors import LabkitError
from labkit.neural import untrained


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(1.0, 4.0))
def test_it_is_the_shortest_path(seed, cutoff) -> None:
    from scipy.sparse.csgraph import shortest_path

    places = np.random.default_rng(seed).uniform(0, 8, (12, 3))
    distances = np.linalg.norm(places[:, None] - places, axis=-1)
    expected = shortest_path((distances < cutoff) & (distances > 0), unweighted=True)[3]
    found = message_steps(Atoms("H12", places), 3, cutoff)
    np.testing.assert_array_equal(found, np.where(np.isfinite(expected), expected, -1))


def test_images_count_as_the_atom() -> None:
    crystal = bulk("Si", cubic=True).repeat((3, 1, 1))
    steps = message_steps(crystal, 0, 2.5)
    assert steps.max() == 6 and (steps >= 0).all() and (steps == 1).sum() == 4


def test_an_atom_that_does_not_exist() -> None:
    with pytest.raises(LabkitError, match="atom 2: expected 0 to 1"):
        message_steps(Atoms("H2", [[0, 0, 0], [0, 0, 1]]), 2, 3.0)


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_a_network_feels_just_so_far(layers) -> None:
    frames = ice("train", n=50)[:1]
    potential = untrained(frames, channels=8, cutoff=3.0, layers=layers).double()
    atoms = frames.atoms[0].repeat((4, 3, 2))
    state = State.from_atoms(atoms)
    places = state.positions.clone().requires_grad_()
    energies = potential.evaluate(
        state.replace(positions=places), forces=False, per_atom=True, create_graph=True
    ).per_atom
    felt = torch.autograd.grad(energies[0], places)[0].norm(dim=1).numpy()
    steps = message_steps(atoms, 0, 3.0)
    assert (felt[steps > layers + 1] == 0).all() and (felt[(steps > 0) & (steps <= layers + 1)] > 0).mean() > 0.95
