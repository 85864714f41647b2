"""What holds for every potential: forces and stress are derivatives, directions and companions do not matter, ..."""

import warnings

import numpy as np
import pytest
import torch

import labkit.base
import labkit.folding
import labkit.forcefield
import labkit.gap
import labkit.neural
from labkit.base import Potential, State, find_neighbours
from labkit.forcefield import Term
from labkit.lammps.mlmod import forces as mlmod
from tests.base.all_potentials import CASES

pytestmark = [
    pytest.mark.parametrize("name", CASES),
    pytest.mark.filterwarnings("ignore:.*is the slow path"),
]


def test_every_potential_has_a_case(name) -> None:
    rooms = (labkit.base, labkit.forcefield, labkit.gap, labkit.neural, labkit.folding)
    public = [value for room in rooms for value in vars(room).values() if isinstance(value, type)]
    kinds = {v.__name__ for v in public if issubclass(v, Potential) and not issubclass(v, Term)}
    # the bases; terms, MLMOD's forces (which have no energy) and QUIP have suites of their own
    kinds -= {"Potential", "ExternalPotential", "QuipPotential", mlmod.Forces.__name__}
    assert kinds <= {case.split(",")[0] for case in CASES}


def setting(name: str) -> tuple[Potential, State]:
    case = CASES[name]
    return case.make(), State.from_atoms(case.frames())


def assert_close(found, expected, tolerance=1e-9) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * max(1.0, float(expected.abs().max())))


def test_forces_are_derivatives(name) -> None:
    potential, state = setting(name)
    forces, h = potential.evaluate(state).forces, 1e-4
    random = torch.Generator().manual_seed(3)
    for _ in range(4):
        way = torch.randn(state.positions.shape, generator=random, dtype=torch.float64)
        ahead, behind = (potential.evaluate(state.replace(positions=state.positions + k * h * way)) for k in (1, -1))
        slope = (ahead.energy - behind.energy) / (2 * h)
        assert_close(slope, -state.system.sum_over_atoms((forces * way).sum(1)), 1e-5)


def test_stress_is_a_derivative(name) -> None:
    if not CASES[name].stress:
        pytest.skip("it has none")
    potential, state = setting(name)
    stress, h = potential.evaluate(state, stress=True).stress, 1e-5
    random = torch.Generator().manual_seed(3)
    for _ in range(3):
        strain = torch.randn(3, 3, generator=random, dtype=torch.float64)
        strain = strain + strain.T

        def energy(k, strain=strain):
            by = torch.eye(3, dtype=torch.float64) + k * h * strain
            return potential.evaluate(state.replace(positions=state.positions @ by, cell=state.cell @ by)).energy

        slope = (energy(1) - energy(-1)) / (2 * h)
        assert_close(state.volume() * (stress * strain).sum((1, 2)), slope, 2e-5)


def test_directions_and_places_do_not_matter(name) -> None:
    if not CASES[name].turns:
        pytest.skip("it has directions of its own, as a mesh")
    potential, state = setting(name)
    turn = torch.linalg.qr(torch.from_numpy(np.random.default_rng(1).normal(size=(3, 3))))[0]
    shift = 0.0 if name == "TorchmdPotential" else torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    turned = state.replace(positions=state.positions @ turn + shift, cell=state.cell @ turn)
    found, expected = potential.evaluate(turned), potential.evaluate(state)
    assert_close(found.energy, expected.energy)
    assert_close(found.forces, expected.forces @ turn)


def test_the_order_of_atoms_does_not_matter(name) -> None:
    if not CASES[name].permutes:
        pytest.skip("its atoms have places")
    potential, state = setting(name)
    frames = state.to_atoms()
    orders = [np.random.default_rng(k).permutation(len(frame)) for k, frame in enumerate(frames)]
    moved = State.from_atoms([frame[order] for frame, order in zip(frames, orders, strict=True)])
    found, expected = potential.evaluate(moved), potential.evaluate(state)
    assert_close(found.energy, expected.energy)
    places = np.concatenate([start + order for start, order in zip(state.system.offsets, orders, strict=False)])
    assert_close(found.forces, expected.forces[places])


def test_a_batch_is_its_members(name) -> None:
    potential, state = setting(name)
    expected = potential.evaluate(state, stress=CASES[name].stress)
    for s in range(3):
        alone = potential if CASES[name].member is None else CASES[name].member(s)
        found = alone.evaluate(state[s], stress=CASES[name].stress)
        assert_close(found.energy, expected.energy[s : s + 1])
        assert_close(found.forces, expected.forces[state.system.index == s])
        if CASES[name].stress:
            assert_close(found.stress, expected.stress[s : s + 1])


def test_one_atom_and_none_within_the_cutoff(name) -> None:
    atom = CASES[name].atom
    if atom is None:
        pytest.skip("it is made for molecules")
    potential = CASES[name].make()
    apart = [atom, atom.copy(), (atom + atom)]
    apart[2].positions[1] += 500.0
    state = State.from_atoms(apart)
    found = potential.evaluate(state)
    assert bool(torch.isfinite(found.energy).all() & torch.isfinite(found.forces).all())
    assert_close(found.energy[0], found.energy[1])
    assert_close(found.energy[2], 2 * found.energy[0])
    assert_close(found.forces, torch.zeros_like(found.forces))


def test_neighbours_may_be_given(name) -> None:
    potential, state = setting(name)
    if not potential.cutoff > 0 or CASES[name].outside:
        pytest.skip("it needs none")
    near = find_neighbours(state.system, state.positions, state.cell, potential.cutoff + 1.0)
    assert_close(potential.evaluate(state, neighbours=near).forces, potential.evaluate(state).forces)


def test_single_precision(name) -> None:
    tolerance = CASES[name].single
    potential, state = setting(name)
    expected = potential.evaluate(state)
    for single in (potential, CASES[name].make().to(torch.float32)):
        for given in (state, state.to(torch.float32)):
            found = single.evaluate(given)
            assert_close(found.energy.double(), expected.energy, tolerance)
            assert_close(found.forces.double(), expected.forces, 10 * tolerance)


def test_nothing_is_changed_and_nothing_followed(name) -> None:
    potential, state = setting(name)
    before = state.positions.clone()
    with warnings.catch_warnings():
        warnings.simplefilter("error", category=ResourceWarning)
        found = potential.evaluate(state)
    assert state.positions.equal(before) and not found.energy.requires_grad and not found.forces.requires_grad
    again = potential.evaluate(state)
    assert again.energy.equal(found.energy) and again.forces.equal(found.forces)
    assert potential.evaluate(state, forces=False).forces is None


def test_parameters_can_be_stored(name) -> None:
    potential, state = setting(name)
    expected = potential.evaluate(state)
    other = CASES[name].make()
    other.load_state_dict(potential.state_dict())
    assert other.evaluate(state).energy.equal(expected.energy)
