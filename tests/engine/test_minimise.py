"""Minimisers against known minima and ASE's; batches; constraints; stopping."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.optimize import BFGS

from labkit.base import State
from labkit.engine import Constraints, fire, largest_force, lbfgs
from labkit.errors import LabkitError, Stopped
from tests.engine.tiny import Pair, Springs, Wells, rigid_water, water, water_springs

EPSILON, SIGMA = 0.0104, 3.4
METHODS = [fire, lbfgs]


def cluster(n: int, seed: int) -> Atoms:
    points = 0.8 * SIGMA * 1.2 * np.array([[i, j, k] for i in range(3) for j in range(3) for k in range(3)])[:n]
    frame = Atoms(f"Ar{n}", points * 1.1)
    frame.rattle(0.15, seed=seed)
    return frame


@pytest.mark.parametrize("minimise", METHODS)
def test_dimer_and_tetrahedron(minimise) -> None:
    """-1 and -6 ε at r = 2^(1/6) σ, side by side and each to its own minimum."""
    tetrahedron = Atoms("Ar4", 2.6 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 2)
    tetrahedron.rattle(0.1, seed=1)
    dimer = Atoms("Ar2", [[0, 0, 0], [4.4, 0.2, 0]])
    potential = Pair(EPSILON, SIGMA, cutoff=50.0)
    end = minimise(State.from_atoms([dimer, tetrahedron]), potential, fmax=1e-6)
    assert bool((largest_force(end) <= 1e-6).all())
    np.testing.assert_allclose(end.energy / EPSILON, [-1, -6], rtol=1e-5)
    assert float((end.positions[1] - end.positions[0]).norm()) == pytest.approx(2 ** (1 / 6) * SIGMA, rel=1e-5)


@pytest.mark.parametrize("minimise", METHODS)
def test_against_ase(minimise) -> None:
    frames = [cluster(6, 1), cluster(13, 2), cluster(9, 3)]
    potential = Pair(EPSILON, SIGMA, cutoff=50.0)
    end = minimise(State.from_atoms(frames), potential, fmax=1e-4)
    assert bool((largest_force(end) <= 1e-4).all())
    for frame, mine in zip(end.to_atoms(), end.energy, strict=True):
        # ASE started from our end stays there; so it is a minimum of the same function
        frame.calc = potential.calculator()
        BFGS(frame, logfile=None).run(fmax=1e-5, steps=200)
        assert frame.get_potential_energy() == pytest.approx(float(mine), abs=1e-5)


@pytest.mark.parametrize("minimise", METHODS)
def test_same_minimum_as_ase_from_a_bent_water(minimise) -> None:
    frame = water()
    frame.rattle(0.1, seed=4)
    potential = water_springs(30.0)
    end = minimise(State.from_atoms(frame), potential, fmax=1e-5)
    frame.calc = potential.calculator()
    BFGS(frame, logfile=None).run(fmax=1e-5)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        found = float((end.positions[i] - end.positions[j]).norm())
        assert found == pytest.approx(frame.get_distance(i, j), abs=1e-5)


def test_quasi_newton_needs_fewer_evaluations() -> None:
    seen = []
    for minimise in METHODS:
        counter = Count()
        minimise(State.from_atoms(cluster(13, 2)), Pair(EPSILON, SIGMA, cutoff=50.0), fmax=1e-5, progress=counter)
        seen.append(counter.steps)
    assert seen[1] < 0.6 * seen[0]


@pytest.mark.parametrize("minimise", METHODS)
def test_converged_systems_stay_put(minimise) -> None:
    there, far = water(), water()
    far.rattle(0.1, seed=2)
    state = State.from_atoms([there, far])
    end = minimise(state, water_springs(replicas=2), fmax=1e-3)
    assert torch.equal(end.positions[:3], state.positions[:3])
    assert not torch.equal(end.positions[3:], state.positions[3:])


@pytest.mark.parametrize("minimise", METHODS)
def test_overlapping_atoms_come_apart(minimise) -> None:
    frame = Atoms("Ar3", [[0, 0, 0], [0.9, 0, 0], [3.5, 0.3, 0]])
    end = minimise(State.from_atoms(frame), Pair(EPSILON, SIGMA, cutoff=50.0), fmax=1e-5, steps=3000)
    assert float(end.energy) == pytest.approx(-3 * EPSILON, rel=1e-4)


@pytest.mark.parametrize("minimise", METHODS)
def test_constraints(minimise) -> None:
    """A rigid water pulled by its oxygen to a point and by one hydrogen to an atom: the minimum of a rigid body."""
    frame = water() + Atoms("Ar", [[3.0, 1.0, 2.0]])
    pulls = Springs(torch.tensor([[1, 3], [0, 3]]), torch.tensor([2.0, 3.0]).double(), k=2.0) + Wells(0.5)
    state, constraints = State.from_atoms(frame), rigid_water()
    end = minimise(state, pulls, fmax=1e-5, constraints=constraints, steps=2000)
    assert float(largest_force(end, constraints)) <= 1e-5 < float(largest_force(end))
    a, b = constraints.atoms.T
    lengths = (end.positions[b] - end.positions[a]).norm(dim=1)
    torch.testing.assert_close(lengths, constraints.distances, atol=1e-8, rtol=0)
    other = (lbfgs if minimise is fire else fire)(state, pulls, fmax=1e-5, constraints=constraints, steps=2000)
    assert float(end.energy) == pytest.approx(float(other.energy), abs=1e-7)


def test_never_ends_uphill() -> None:
    frame = Atoms("Ar3", [[0, 0, 0], [2.9, 0, 0], [3.5, 2.3, 0]])
    state, potential = State.from_atoms(frame), Pair(EPSILON, SIGMA, cutoff=50.0)
    ends = [float(lbfgs(state, potential, fmax=1e-6, steps=n, max_step=2.0).energy) for n in range(1, 15)]
    assert all(later <= earlier + 1e-9 for earlier, later in zip(ends, ends[1:], strict=False))


class Count:
    def __init__(self, limit: int = 10**9) -> None:
        self.steps, self.limit = 0, limit

    def update(self, step: int, total: int, **metrics) -> None:
        self.steps += 1

    def should_stop(self) -> bool:
        return self.steps >= self.limit


@pytest.mark.parametrize("minimise", METHODS)
def test_stop(minimise) -> None:
    with pytest.raises(Stopped) as stopped:
        minimise(State.from_atoms(cluster(6, 1)), Pair(EPSILON, SIGMA, 50.0), fmax=1e-6, progress=Count(3))
    assert stopped.value.partial.forces is not None


def test_bad_input() -> None:
    with pytest.raises(LabkitError, match="fmax is 0"):
        fire(State.from_atoms(water()), Wells(), fmax=0)
    springs = Springs(torch.tensor([[0, 1]]), torch.tensor([1.0]))
    both = State.from_atoms([water(), water()])
    both.positions[1] = both.positions[0]
    with pytest.raises(LabkitError, match="step 0: the forces on system 0 are not finite"):
        fire(both, Springs(springs.pairs, springs.lengths, k=float("nan")))
    with pytest.raises(LabkitError, match="refer to atom 9"):
        lbfgs(both, Wells(), constraints=Constraints(torch.tensor([[0, 9]]), torch.tensor([1.0])))
