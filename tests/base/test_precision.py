"""Potentials of single precision take states of double precision, and the other way round."""

import subprocess
import sys

import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from torch import nn

from labkit.base import Potential, State, Sum
from labkit.datasets import Dataset
from labkit.gap import Design, GapConfig, Soap


class Network(Potential):
    """A small network of distances, with large energies of lone atoms."""

    cutoff = 3.0
    exact = ("lone",)

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
        self.register_buffer("lone", torch.tensor([-13_587.222_780_835_477], dtype=torch.float64))

    def atomic_energies(self, system, positions, cell, neighbours):
        near, vectors = neighbours.within(self.cutoff, positions, cell)
        distance = vectors.norm(dim=1, keepdim=True)
        pair = self.layers(distance)[:, 0] * (1 - distance[:, 0] / self.cutoff) ** 2
        zeros = pair.new_zeros(system.n_atoms)
        return zeros.index_add(0, near.i, pair) + self.lone


def gap() -> Potential:
    training = []
    for seed in range(8):
        frame = bulk("Cu", cubic=True)
        frame.rattle(0.1, seed=seed)
        frame.calc = EMT()
        frame.info["energy"] = frame.get_potential_energy() - 500.0 * len(frame)
        frame.arrays["forces"] = frame.get_forces()
        frame.calc = None
        training.append(frame)
    config = GapConfig(Soap(cutoff=3.5, n_max=4, l_max=3, n_sparse=12), e0={"Cu": -500.0}, sigma_force=0.05)
    return Design.build(Dataset.from_atoms(training), config).solve()


def frames() -> list[Atoms]:
    crystals = [bulk("Cu", cubic=True), bulk("Cu", cubic=True) * (2, 1, 1)]
    for seed, frame in enumerate(crystals):
        frame.rattle(0.08, seed=seed + 20)
        frame.positions += 3000 * frame.cell.array.sum(0)  # far away: what single precision would not resolve
    return crystals


@pytest.mark.parametrize(("make", "error"), [(Network, 2e-4), (gap, 0.05)])  # eV: a GAP's kernels lose more
def test_single_precision_takes_double(make, error) -> None:
    state, double = State.from_atoms(frames()), make()
    expected = double.evaluate(state, stress=True, per_atom=True)
    single = make().to(torch.float32)
    assert single.dtype == torch.float32 and double.dtype == torch.float64
    for found in (single.evaluate(state, stress=True, per_atom=True), Sum([single]).evaluate(state, stress=True)):
        assert found.energy.dtype == found.forces.dtype == found.stress.dtype == torch.float64
        # of 1e5 eV: the large constants are not rounded
        torch.testing.assert_close(found.energy, expected.energy, rtol=0, atol=error)
        torch.testing.assert_close(found.forces, expected.forces, rtol=1e-3, atol=max(1e-3, error))
        torch.testing.assert_close(found.stress, expected.stress, rtol=1e-3, atol=max(1e-4, 0.1 * error))


@pytest.mark.parametrize("make", [Network, gap])
def test_double_precision_takes_single(make) -> None:
    near = [frame.copy() for frame in frames()]
    for frame in near:
        frame.wrap()
    potential, state = make(), State.from_atoms(near)
    expected, found = potential.evaluate(state), potential.evaluate(state.to(torch.float32))
    torch.testing.assert_close(found.energy.double(), expected.energy, rtol=0, atol=0.01)
    torch.testing.assert_close(found.forces.double(), expected.forces, rtol=1e-3, atol=1e-3)


def test_exact_numbers_survive_a_cast() -> None:
    potential = Network().to(torch.float32)
    assert potential.lone.dtype == torch.float64 and float(potential.lone) == -13_587.222_780_835_477
    assert potential.layers[0].weight.dtype == torch.float32


def test_the_environment_chooses_the_precision_of_states() -> None:
    code = "import ase; from labkit.base import State; print(State.from_atoms(ase.Atoms('H')).cell.dtype)"
    for name, said in (("float32", "torch.float32"), ("float64", "torch.float64"), ("half", "LABKIT_DTYPE is 'half'")):
        done = subprocess.run(
            [sys.executable, "-c", code], env={"LABKIT_DTYPE": name, "PATH": "", "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True,
        )  # fmt: skip
        assert said in done.stdout + done.stderr
