"""Nothing is left of another cell, another system or another term: what is kept is right or found again.

By every way in which a cell changes, for all terms of pairs, compiled and not.
"""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from labkit.base import Potential, State, System
from labkit.engine import CellRescaling, VelocityVerlet, fire, maxwell_boltzmann, simulate
from labkit.forcefield import (
    Coulomb,
    ForceField,
    GeneralizedBorn,
    GeometricLennardJones,
    HarmonicBonds,
    LennardJones,
    Nbfix,
    Pme,
    Repulsion,
)
from labkit.forcefield.fast.uncompiled import Uncompiled

N, CUTOFF, SIDE = 27, 5.03, 12.0
random = np.random.default_rng(0)
CHARGES = 0.2 * random.normal(size=N)
TABLE = np.array([[3.0, 1.0], [1.0, 2.0]]) * 20
BONDS = [[k, k + 1] for k in range(0, N - 1, 3)]
KINDS = {
    "lj": lambda: {"it": LennardJones([2.6] * N, [0.01] * N, BONDS, CUTOFF, 4.0, long_range_correction=True)},
    "rf": lambda: {"it": Coulomb(CHARGES, BONDS, CUTOFF, 80.0), "lj": LennardJones([2.6] * N, [0.01] * N)},
    "pme": lambda: {
        "it": Pme(CHARGES, BONDS, CUTOFF, alpha=0.5, mesh_spacing=2.5),
        "lj": LennardJones([2.6] * N, [0.01] * N, BONDS, CUTOFF),
    },
    "nbfix": lambda: {"it": Nbfix(np.arange(N) % 2, TABLE, TABLE, BONDS, CUTOFF, long_range_correction=True)},
    "geometric": lambda: {"it": GeometricLennardJones.of([2.6] * N, [0.01] * N, BONDS, CUTOFF)},
    "born": lambda: {"it": GeneralizedBorn(CHARGES, np.full(N, 1.5), np.full(N, 0.7), cutoff=CUTOFF)},
    "repulsion": lambda: {"it": Repulsion([2.6] * N, [0.01] * N, BONDS, CUTOFF)},
    "bonds": lambda: {"it": HarmonicBonds(BONDS, 1.0, 3.0, periodic=True)},
}


def made(kind: str, compiled: bool = True, times: int = 1) -> Potential:
    forcefield = ForceField(KINDS[kind](), N)
    forcefield = forcefield if times == 1 else forcefield.repeat(times)
    return forcefield if compiled else Uncompiled(forcefield)


def fluid(seed: int = 0, copies: int = 1) -> State:
    """27 atoms on a rattled grid in a part of the cell, so that images come near as it shrinks."""
    rng, grid = np.random.default_rng(seed), np.stack(np.meshgrid(*[np.arange(3)] * 3), -1).reshape(-1, 3)
    x = np.concatenate([3.1 * grid + rng.uniform(-0.3, 0.3, (N, 3)) for _ in range(copies)])
    system = System(
        torch.full((copies * N,), 18),
        torch.full((copies * N,), 40.0).double(),
        torch.arange(copies).repeat_interleave(N),
        torch.ones(copies, 3, dtype=torch.bool),
    )
    where = torch.from_numpy(x)
    cell = SIDE * torch.eye(3, dtype=torch.float64).repeat(copies, 1, 1)
    return State(system, where, cell, torch.zeros_like(where), seed=1)


def agree(potential: Potential, fresh: Potential, state: State) -> float:
    found, expected = potential.evaluate(state), fresh.evaluate(state)
    torch.testing.assert_close(found.energy, expected.energy, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.forces, expected.forces, rtol=1e-8, atol=1e-8)
    return float(found.energy.sum())


SHEAR = torch.eye(3, dtype=torch.float64)
SHEAR[1, 0] = 0.8
SCALES = [1.0, 3.0, 0.8, 1.2, 1.0, 0.79, 1.0001]


@pytest.mark.parametrize("compiled", [True, False], ids=["kernels", "autograd"])
@pytest.mark.parametrize("kind", KINDS)
def test_cells_that_are_replaced(kind: str, compiled: bool) -> None:
    """Shrunk and grown and sheared, with atoms that stay or move along; one of a batch; written in place."""
    state, potential, seen = fluid(), made(kind, compiled), set()
    for affine in (False, True):
        for change in [*(s * torch.eye(3).double() for s in SCALES), SHEAR, SHEAR.T, torch.eye(3).double()]:
            x = state.positions @ change if affine else state.positions
            here = replace(state, cell=state.cell @ change, positions=x)
            seen.add(round(agree(potential, made(kind, compiled), here), 6))
    assert len(seen) > 3 or kind == "bonds"
    here = state.replace(cell=state.cell.clone())
    agree(potential, made(kind, compiled), here)
    here.cell.mul_(0.8)
    agree(potential, made(kind, compiled), here)
    both, potential = fluid(copies=2), made(kind, compiled, 2)
    for which, factor in ((0, 1.0), (1, 0.8), (0, 0.8), (1, 1.3)):
        cell = both.cell.clone()
        cell[which] *= factor
        agree(potential, made(kind, compiled, 2), both.replace(cell=cell))


@pytest.mark.parametrize("compiled", [True, False], ids=["kernels", "autograd"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("born", "bonds")])
def test_barostats_and_minimisers(kind: str, compiled: bool) -> None:
    """A barostat that changes the cell a lot at each step, and a minimisation in the cell that it leaves."""
    potential = made(kind, compiled)
    move = CellRescaling(300.0, 0.05, time=20.0, compressibility=8.0, every=2)
    state = maxwell_boltzmann(fire(fluid(), potential, steps=5), 100.0, seed=1)
    volumes = []
    for _ in range(10):
        state = simulate(state, potential, move, 2, 1.0)
        volumes.append(float(state.volume()))
        fresh = made(kind, compiled).evaluate(state)
        torch.testing.assert_close(state.energy, fresh.energy, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(state.forces, fresh.forces, rtol=1e-7, atol=1e-8)
    assert np.ptp(volumes) > 0.005 * volumes[0]
    small = fire(state.replace(cell=0.9 * state.cell, positions=0.9 * state.positions), potential, steps=10)
    torch.testing.assert_close(small.energy, made(kind, compiled).evaluate(small).energy, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_an_ase_calculator(kind: str) -> None:
    (atoms,) = fluid().to_atoms()
    atoms.calc = made(kind).calculator()
    for factor in (1.0, 3.0, 0.8, 1.2):
        atoms.set_cell(factor * SIDE * np.eye(3))
        expected = made(kind).evaluate(State.from_atoms(atoms))
        assert atoms.get_potential_energy() == pytest.approx(float(expected.energy), rel=1e-9)
        np.testing.assert_allclose(atoms.get_forces(), expected.forces.numpy(), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_functions_of_arrays_keep_their_own_cell(kind: str) -> None:
    """Two of one force field, asked in turn, and beside evaluations of other systems."""
    state, potential = fluid(), made(kind)
    states = [state, state.replace(cell=0.8 * state.cell), fluid(1)]
    functions, forces = [potential.compiled(s) for s in states], np.empty((N, 3))
    for _ in range(2):
        for one, function in zip(states, functions, strict=True):
            expected = made(kind).evaluate(one)
            energy = function(one.positions.numpy(), forces)
            np.testing.assert_allclose(energy, expected.energy.numpy(), rtol=1e-9, atol=1e-10)
            np.testing.assert_allclose(forces, expected.forces.numpy(), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", ["lj", "pme", "born"])
def test_threads_that_share_a_force_field(kind: str) -> None:
    """As two runs of a notebook do: each gets the forces of its own system."""
    potential, states = made(kind), [fluid(seed) for seed in range(3)]
    expected = [made(kind).evaluate(state).forces for state in states]

    def many(k: int) -> bool:
        return all(torch.allclose(potential.evaluate(states[k]).forces, expected[k], rtol=1e-8) for _ in range(40))

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(many, range(3)))


@pytest.mark.parametrize("compiled", [True, False], ids=["kernels", "autograd"])
@pytest.mark.parametrize("kind", KINDS)
def test_as_many_atoms_in_other_systems(kind: str, compiled: bool) -> None:
    """Of the force field for two systems: another division of its atoms, and other periodic directions."""
    state, potential = fluid(copies=2), made(kind, compiled, 2)
    one = replace(state.system, index=torch.cat([torch.zeros(10), torch.ones(2 * N - 10)]).long())
    slab = replace(state.system, pbc=torch.tensor([[True, True, False], [True, False, True]]))
    bonded = kind != "born"
    systems = [state.system, *([] if kind == "pme" else [slab]), *([] if bonded else [one]), state.system]
    x = state.positions.clone()
    x[N:] += 0.37
    for system in systems:
        agree(potential, made(kind, compiled, 2), state.replace(system=system, positions=x))


@pytest.mark.parametrize("compiled", [True, False], ids=["kernels", "autograd"])
def test_terms_and_settings_that_change(compiled: bool) -> None:
    forcefield, state = ForceField(KINDS["rf"](), N), fluid()
    asked = forcefield if compiled else Uncompiled(forcefield)
    before = agree(asked, made("rf", compiled), state)
    forcefield.terms["it"].reach = 7.1
    forcefield.terms["lj"].reach, forcefield.terms["lj"].switch = 4.0, 3.0
    wide = {"it": Coulomb(CHARGES, BONDS, 7.1, 80.0), "lj": LennardJones([2.6] * N, [0.01] * N, (), 4.0, 3.0)}
    other = ForceField(wide, N)
    assert agree(ForceField(dict(forcefield.terms), N), other, state) != before
    agree(forcefield if compiled else Uncompiled(forcefield), other, state)
    forcefield.terms["it"] = Coulomb(2 * CHARGES, cutoff=6.0)
    other = ForceField({"it": Coulomb(2 * CHARGES, cutoff=6.0), "lj": wide["lj"]}, N)
    agree(forcefield if compiled else Uncompiled(forcefield), other, state)
    del forcefield.terms["it"]
    agree(forcefield if compiled else Uncompiled(forcefield), ForceField({"lj": wide["lj"]}, N), state)


def test_copies_have_their_own_kernels() -> None:
    potential, state = made("lj"), fluid()
    potential.evaluate(state)
    other = copy.deepcopy(potential)
    with torch.no_grad():
        other.terms["it"].epsilon *= 2
    assert float(other.evaluate(state).energy) == pytest.approx(2 * float(potential.evaluate(state).energy))


def test_the_cutoff_of_a_potential_that_changes() -> None:
    class Count(Potential):
        cutoff = 3.5

        def energy(self, system, positions, cell, neighbours):
            near, vectors = neighbours.within(self.cutoff, positions, cell)
            return positions.new_zeros(system.n_systems).index_add(0, near.index, torch.ones_like(vectors[:, 0]))

    potential, state = Count(), fluid()
    few = float(potential.evaluate(state, forces=False).energy)
    potential.cutoff = 6.0
    fresh = Count()
    fresh.cutoff = 6.0
    assert (
        float(potential.evaluate(state, forces=False).energy) == float(fresh.evaluate(state, forces=False).energy) > few
    )


def test_a_run_after_another_cell() -> None:
    """The box 20 percent wider and back: the energy of before."""
    state, potential = fluid(), made("lj")
    before = simulate(state, potential, VelocityVerlet(), 5, 1.0)
    simulate(state.replace(cell=1.2 * state.cell), potential, VelocityVerlet(), 5, 1.0)
    after = simulate(state, potential, VelocityVerlet(), 5, 1.0)
    torch.testing.assert_close(after.energy, before.energy, rtol=1e-12, atol=0)
