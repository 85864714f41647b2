"""What holds for a network's energies beyond the suite of all potentials."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from labkit.base import Neighbours, State, find_neighbours
from labkit.errors import LabkitError
from labkit.neural import NeuralConfig, NeuralPotential

E0 = {"H": -13.6, "C": -1030.0, "O": -2040.0, "Cu": -45000.0}


def potential(**settings) -> NeuralPotential:
    settings = {"channels": 8, "cutoff": 4.0, "n_radial": 6, "layers": 2} | settings
    return NeuralPotential(NeuralConfig(**settings), list(E0), E0, 0.7).double()


def turned(atoms: Atoms, improper: bool) -> Atoms:
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn)) * (-1 if improper else 1)
    found = atoms.copy()
    found.positions = atoms.positions @ turn
    return found


def chiral() -> Atoms:
    found = molecule("CH3CH2OH")
    found.rattle(0.15, seed=2)  # no plane of symmetry is left
    return found


@pytest.mark.parametrize("settings", [{}, {"mirror": False}, {"network": "schnet"}, {"network": "soap-linear"}])
def test_rotations_and_mirror_images(settings) -> None:
    p = potential(**settings)
    e = [
        float(p.evaluate(State.from_atoms(a)).energy)
        for a in (chiral(), turned(chiral(), False), turned(chiral(), True))
    ]
    assert abs(e[1] - e[0]) < 1e-10
    if settings.get("mirror", True):
        assert abs(e[2] - e[0]) < 1e-10
    else:
        assert abs(e[2] - e[0]) > 1e-7


@pytest.mark.parametrize("network", ["tensornet", "schnet", "soap-linear"])
def test_an_atom_alone_has_its_e0(network) -> None:
    p = potential(network=network)
    for name, value in E0.items():
        assert float(p.evaluate(State.from_atoms(Atoms(name))).energy) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("network", ["tensornet", "schnet", "soap-linear"])
def test_smooth_at_the_cutoff(network) -> None:
    p = potential(network=network)
    energies, forces = [], []
    for r in (3.999, 4.001):
        found = p.evaluate(State.from_atoms(Atoms("CuO", positions=[[0, 0, 0], [0, 0, r]])))
        energies.append(float(found.energy))
        forces.append(float(found.forces.abs().max()))
    assert abs(energies[1] - energies[0]) < 1e-4 and forces[0] < 0.05 and forces[1] == 0


def test_energies_are_of_double_precision_outside_the_network() -> None:
    p = potential().to(torch.float32)
    assert p.dtype == torch.float32 and p.e0.dtype == torch.float64
    many = bulk("Cu", cubic=True) * (3, 3, 3)
    many.rattle(0.1, seed=1)
    one = p.evaluate(State.from_atoms(many)).energy
    assert one.dtype == torch.float64
    exact = potential().evaluate(State.from_atoms(many)).energy
    assert abs(float(one - exact)) < 1e-3  # of -4,860,000 eV, of which single precision knows 0.5 eV


def test_unknown_elements_are_named() -> None:
    with pytest.raises(LabkitError, match="frame 1, atom 0: N is unknown to this model, which has seen H, C, O, Cu"):
        potential().evaluate(State.from_atoms([molecule("H2O"), molecule("NH3")]))


def test_a_list_with_one_direction_is_refused() -> None:
    state = State.from_atoms(molecule("H2O"))
    near = find_neighbours(state.system, state.positions, state.cell, 4.0)
    half = near.i < near.j
    one = Neighbours(near.i[half], near.j[half], near.shift[half], near.index[half])
    with pytest.raises(LabkitError, match="lack their other direction"):
        potential().evaluate(state, neighbours=one)


def test_small_cells_and_many_images() -> None:
    p, small = potential(), bulk("Cu")
    small.positions += 0.1
    large = small * (3, 3, 3)
    a, b = (p.evaluate(State.from_atoms(x), stress=True) for x in (small, large))
    assert float(b.energy) == pytest.approx(27 * float(a.energy), abs=1e-7)
    torch.testing.assert_close(a.stress, b.stress, rtol=0, atol=1e-10)


def test_beads() -> None:
    chain = Atoms(numbers=[0] * 3, positions=[[0, 0, 0], [3.8, 0, 0], [5.2, 3.5, 0]])
    chain.set_masses([12.0] * 3)
    chain.arrays["types"] = np.array(["CA", "CB", "CA"])
    p = NeuralPotential(NeuralConfig(cutoff=8.0, channels=8), ["CA", "CB"], {"CA": 0.0, "CB": 0.0})
    assert torch.isfinite(p.evaluate(State.from_atoms(chain)).forces).all()
    with pytest.raises(LabkitError, match="is unknown"):
        p.evaluate(State.from_atoms(molecule("H2O")))


def test_features_are_summed_and_linear() -> None:
    p, state = potential(), State.from_atoms([molecule("H2O"), molecule("CH3OH")])
    of_atoms, of_systems = p.features(state)
    last = p.network.last
    per_atom = p.evaluate(state, per_atom=True).per_atom
    lone = p.e0[p.species_of(state.system)]
    torch.testing.assert_close(lone + p.scale * (of_atoms @ last.weight.T).squeeze(1), per_atom)
    torch.testing.assert_close(state.system.sum_over_atoms(of_atoms), of_systems)
