"""Evaluations without a graph equal those of autograd, for every network, and follow weights that change."""

import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import Neighbours, Potential, State, find_neighbours
from labkit.neural import NeuralConfig, NeuralPotential
from labkit.neural.members import evaluate_members
from labkit.neural.networks.basis import ExponentialBasis, edge_tensors, edge_tensors_back

E0 = {"H": -13.6, "C": -1030.0, "O": -2040.0, "Cu": -45000.0}
KINDS = [{}, {"mirror": False}, {"layers": 0}, {"network": "schnet"}, {"network": "soap-linear"}, {"outputs": 3}]
RESULTS = ("energy", "forces", "stress", "per_atom")


def potential(**chosen) -> NeuralPotential:
    chosen = {"channels": 6, "cutoff": 4.0, "n_radial": 6, "layers": 2} | chosen
    return NeuralPotential(NeuralConfig(**chosen), list(E0), E0, 0.7).double()


def with_autograd(p: NeuralPotential, state: State, **wanted: bool):
    return Potential.evaluate(p, state, create_graph=True, **wanted)


def frames() -> list[Atoms]:
    metal = bulk("Cu")  # a cell smaller than the cutoff
    metal.rattle(0.1, seed=3)
    ice = molecule("H2O")
    ice.set_cell([5.0, 5.5, 6.0])
    ice.pbc = True
    return [metal, ice, metal * (2, 1, 1)]


@pytest.mark.parametrize("chosen", KINDS)
def test_periodic(chosen) -> None:
    p, state = potential(**chosen), State.from_atoms(frames())
    found = p.evaluate(state, stress=True, per_atom=True)
    expected = with_autograd(p, state, stress=True, per_atom=True)
    for name in RESULTS:
        torch.testing.assert_close(getattr(found, name), getattr(expected, name).detach(), rtol=1e-9, atol=1e-10)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 7), size=st.floats(1.5, 6.0), kind=st.sampled_from(KINDS))
def test_clusters_of_any_size(seed, count, size, kind) -> None:
    random = torch.Generator().manual_seed(seed)
    places = size * torch.rand(count, 3, generator=random, dtype=torch.float64).numpy()
    for k in range(1, count):  # atoms at one place are refused
        places[k, 0] += k * 0.3
    state = State.from_atoms([Atoms("HCOHHOH"[:count], positions=places), Atoms("Cu")])
    p = potential(**kind)
    found, expected = p.evaluate(state), with_autograd(p, state)
    scale = 1 + float(expected.forces.detach().abs().max())
    assert float((found.energy - expected.energy.detach()).abs().max()) < 1e-9
    assert float((found.forces - expected.forces.detach()).abs().max()) < 1e-10 * scale


def test_pairs_beyond_the_cutoff_count_as_none() -> None:
    state = State.from_atoms(bulk("Cu", cubic=True) * (2, 2, 2))
    wide = find_neighbours(state.system, state.positions, state.cell, 4.05)  # few pairs more: they stay in the list
    for chosen in KINDS:
        p = potential(**chosen)
        one, other = p.evaluate(state, neighbours=wide), p.evaluate(state)
        torch.testing.assert_close(one.energy, other.energy, rtol=0, atol=1e-8)
        torch.testing.assert_close(one.forces, other.forces, rtol=0, atol=1e-9)


@pytest.mark.parametrize("fused", [False, True])
def test_weights_that_change(fused) -> None:
    """Also by an optimiser that does not tell torch so: a fused one leaves the versions of weights as they are."""
    p, state = potential(), State.from_atoms(molecule("CH3CH2OH"))
    before = p.evaluate(state).energy
    optimiser = torch.optim.AdamW(p.network.parameters(), lr=0.05, fused=fused)
    for weight in p.network.parameters():
        weight.grad = torch.ones_like(weight)
    optimiser.step()
    found, expected = p.evaluate(state), with_autograd(p, state)
    assert float((found.energy - before).abs()) > 1e-3
    torch.testing.assert_close(found.energy, expected.energy.detach(), rtol=0, atol=1e-9)
    assert float(p.evaluate(State.from_atoms(Atoms("C"))).energy) == pytest.approx(E0["C"], abs=1e-9)


def test_single_precision() -> None:
    p, state = potential(channels=64), State.from_atoms(molecule("CH3CH2OH"))
    exact = p.evaluate(state).forces
    single = p.to(torch.float32).evaluate(state)
    assert single.forces.dtype == single.energy.dtype == torch.float64
    assert float((single.forces - exact).abs().max()) < 1e-4 * float(exact.abs().max())


def test_members_are_those_of_single_rows() -> None:
    p, state = potential(outputs=3), State.from_atoms(molecule("CH3CH2OH"))
    found = evaluate_members(p, state)
    torch.testing.assert_close(found.forces, p.evaluate(state).forces)
    for k, row in enumerate(p.network.last.weight.detach()):
        one = p.with_weights({"network.last.weight": row.expand(3, -1)})
        torch.testing.assert_close(found.members.forces[k], one.evaluate(state).forces, rtol=1e-9, atol=1e-10)


def test_no_pairs_at_all() -> None:
    state = State.from_atoms(Atoms("H"))
    found = potential().evaluate(state, neighbours=Neighbours.none("cpu"))
    assert float(found.energy) == pytest.approx(E0["H"]) and not found.forces.any()


def test_slopes_of_radial_functions_and_tensors() -> None:
    basis, r = ExponentialBasis(6, 4.0), torch.linspace(0.3, 4.3, 50, dtype=torch.float64)
    value, slope = basis.with_slope(r)
    expected = torch.func.jvp(basis, (r,), (torch.ones_like(r),))[1]
    torch.testing.assert_close(value, basis(r))
    torch.testing.assert_close(slope, expected)
    unit = torch.nn.functional.normalize(torch.randn(7, 3, dtype=torch.float64), dim=1)
    g = torch.randn(7, 9, dtype=torch.float64)
    torch.testing.assert_close(edge_tensors_back(unit, g), torch.func.vjp(edge_tensors, unit)[1](g)[0])
