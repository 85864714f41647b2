"""Many steps in one go: the numbers of single steps, the bits of any other division of the run."""

from dataclasses import replace

import pytest
import torch

openmm = pytest.importorskip("openmm")
pytest.importorskip("numba")

from forcefield import systems  # noqa: E402

from labkit.base import Observer, State  # noqa: E402
from labkit.engine import (  # noqa: E402
    CellRescaling,
    Constraints,
    Csvr,
    Langevin,
    ReplicaExchange,
    VelocityVerlet,
    maxwell_boltzmann,
    simulate,
)
from labkit.forcefield import FlatBottom, ForceField, from_openmm, state_from_openmm  # noqa: E402


@pytest.fixture(scope="module")
def dipeptide():
    """A dipeptide in water that a wall, by autograd, holds."""
    system, topology, positions = systems.solvated_dipeptide("rf")
    forcefield, state = from_openmm(system), state_from_openmm(topology, positions, system)
    wall = FlatBottom([0], k=5.0, centres=state.positions[:1], radius=0.1)
    forcefield = ForceField({**forcefield.terms, "wall": wall}, forcefield.n_atoms)
    return forcefield, simulate(state, forcefield, Langevin(temperature=50.0, friction=0.1), 50, 0.5)


def rigid(state) -> Constraints:
    waters = torch.arange(22, state.system.n_atoms).reshape(-1, 3)
    pairs = torch.cat([waters[:, [0, 1]], waters[:, [0, 2]], waters[:, [1, 2]]])
    lengths = torch.tensor([0.9572, 0.9572, 1.5139], dtype=torch.float64).repeat_interleave(len(waters))
    return Constraints(pairs, lengths)


@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("integrator", [VelocityVerlet(), Langevin(temperature=300.0, friction=0.01)])
def test_they_are_the_single_steps(dipeptide, integrator, constrained) -> None:
    forcefield, state = dipeptide
    move = replace(integrator, constraints=rigid(state) if constrained else None)
    with torch.no_grad():
        state = move.init(maxwell_boltzmann(state, 300.0, constraints=move.constraints), forcefield)
        one, before = state, {name: getattr(state, name).clone() for name in ("positions", "velocities", "forces")}
        for _ in range(10):
            one = move.step(one, forcefield, 1.0)
        many = move.advance(state, forcefield, 1.0, 10)
    assert many.loop_step == one.loop_step
    for name in ("positions", "velocities", "forces"):
        torch.testing.assert_close(getattr(many, name), getattr(one, name), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(many.energy, one.energy, rtol=1e-10, atol=1e-10)
    assert not torch.equal(many.positions, state.positions)
    assert all(torch.equal(getattr(state, name), value) for name, value in before.items())  # nothing in place


def test_a_run_has_the_same_bits_however_it_is_divided(dipeptide) -> None:
    forcefield, state = dipeptide
    move = Langevin(temperature=300.0, friction=0.01)

    class Look(Observer):
        def __init__(self, every: int) -> None:
            self.every = every

        def __call__(self, state, evaluation) -> None: ...

    ends = [simulate(state, forcefield, move, 60, 0.5, observers=looks) for looks in ([], [Look(7)], [Look(1)])]
    assert torch.equal(ends[0].positions, ends[1].positions) and torch.equal(ends[0].positions, ends[2].positions)
    assert torch.equal(ends[0].energy, ends[2].energy)


@pytest.mark.parametrize(
    "move",
    [
        Csvr(temperature=300.0, time=50.0),
        CellRescaling(temperature=300.0, pressure=1e-4, friction=0.01, every=4),
        ReplicaExchange(Langevin(torch.tensor([290.0, 300.0]), friction=0.01), every=4),
    ],
)
def test_what_is_built_on_them_has_the_same_numbers(dipeptide, move) -> None:
    forcefield, state = dipeptide
    if isinstance(move, ReplicaExchange):
        forcefield, state = forcefield.repeat(2), State.from_atoms(state.to_atoms() * 2)
    with torch.no_grad():
        one = many = move.init(maxwell_boltzmann(state, 300.0), forcefield)
        for _ in range(9):
            one = move.step(one, forcefield, 0.5)
        many = move.advance(move.advance(many, forcefield, 0.5, 6), forcefield, 0.5, 3)
    torch.testing.assert_close(many.positions, one.positions, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(many.cell, one.cell, rtol=1e-9, atol=1e-9)
    assert many.loop_step == one.loop_step and many.aux.keys() == one.aux.keys()


def test_gradients_take_single_steps(dipeptide) -> None:
    forcefield, state = dipeptide
    followed = state.replace(velocities=state.velocities.clone().requires_grad_())
    end = VelocityVerlet().advance(followed, forcefield, 0.5, 2)
    (slope,) = torch.autograd.grad(end.positions.sum(), [followed.velocities])
    assert float(slope.abs().max()) == pytest.approx(1.0, rel=0.2)  # dr/dv = t = 1 fs


def test_an_observer_may_evaluate_the_potential_elsewhere(dipeptide) -> None:
    forcefield, state = dipeptide
    (atoms,) = state.to_atoms()
    atoms.pbc = False
    open_ = State.from_atoms(atoms)

    class Elsewhere(Observer):
        every = 5

        def __call__(self, state, evaluation) -> None:
            forcefield.evaluate(open_)

    ends = [simulate(state, forcefield, VelocityVerlet(), 30, 0.5, observers=looks) for looks in ([], [Elsewhere()])]
    torch.testing.assert_close(ends[0].positions, ends[1].positions, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(ends[0].energy, ends[1].energy, rtol=1e-9, atol=1e-9)
