"""Potentials from outside: ASE's EMT, a torch module, an object as TorchMD takes them; alone and in sums."""

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet as AseVerlet

from labkit.base import AsePotential, ModulePotential, State, TorchmdPotential
from labkit.engine import VelocityVerlet, simulate
from labkit.errors import LabkitError
from labkit.forcefield import ForceField, HarmonicAngles, HarmonicBonds
from labkit.units import KCAL_PER_MOL

pytestmark = pytest.mark.filterwarnings("ignore:AsePotential")


def metals() -> list[Atoms]:
    frames = [bulk("Cu", cubic=True), bulk("Au") * (2, 1, 1), molecule("H2O")]
    for number, frame in enumerate(frames):
        frame.rattle(0.05, seed=number)
    return frames


def test_emt_as_ase_has_it() -> None:
    frames = metals()
    found = AsePotential(EMT()).evaluate(State.from_atoms(frames))
    start = 0
    for energy, frame in zip(found.energy, frames, strict=True):
        frame.calc = EMT()
        assert float(energy) == pytest.approx(frame.get_potential_energy(), abs=1e-12)
        np.testing.assert_allclose(found.forces[start : start + len(frame)], frame.get_forces(), atol=1e-12)
        start += len(frame)
    crystals = AsePotential(EMT()).evaluate(State.from_atoms(frames[:2]), stress=True)
    expected = [frame.get_stress(voigt=False) for frame in frames[:2]]
    np.testing.assert_allclose(crystals.stress, expected, atol=1e-12)


def test_nve_as_ase_runs_it() -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.set_velocities(np.random.default_rng(1).normal(scale=0.03, size=(4, 3)))
    end = simulate(State.from_atoms(atoms), AsePotential(EMT()), VelocityVerlet(), steps=50, dt=4.0)
    atoms.calc = EMT()
    AseVerlet(atoms, timestep=4.0 * units.fs).run(50)
    np.testing.assert_allclose(end.positions, atoms.positions, atol=1e-8)
    np.testing.assert_allclose(end.to_atoms()[0].get_velocities(), atoms.get_velocities(), atol=1e-8)


def test_ase_warns_and_names_what_failed() -> None:
    with pytest.warns(UserWarning, match="slow path"):
        potential = AsePotential(EMT())
    state = State.from_atoms([bulk("Cu"), bulk("Si")])
    with pytest.raises(LabkitError, match=r"system 1: AsePotential\(EMT\) failed: .*Si"):
        potential.evaluate(state)
    with pytest.raises(LabkitError, match="cannot be differentiated"):
        potential.evaluate(State.from_atoms(bulk("Cu")), create_graph=True)

    class Plain(Calculator):
        implemented_properties = ["energy", "forces"]

    with pytest.raises(LabkitError, match="this calculator has no stress"):
        AsePotential(Plain()).evaluate(State.from_atoms(bulk("Cu")), stress=True)
    with pytest.raises(LabkitError, match="is not an ASE calculator"):
        AsePotential(3.0)


class Harmonic(torch.nn.Module):
    """½ k Σ (r - r0)², for one system or many."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.k = torch.nn.Parameter(torch.tensor(7.0, dtype=dtype))

    def forward(self, positions: torch.Tensor) -> torch.Tensor:
        assert positions.dtype == self.k.dtype
        return 0.5 * self.k * (positions - 0.3).square().sum((-2, -1))


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_module_against_its_own_formula(batched, dtype) -> None:
    state = State.from_atoms([molecule("H2O"), molecule("H2O")])
    state = state.replace(positions=state.positions + 0.1 * torch.arange(6)[:, None])
    found = ModulePotential(Harmonic(dtype), KCAL_PER_MOL, batched=batched).evaluate(state)
    exact = -7.0 * KCAL_PER_MOL * (state.positions - 0.3)
    tolerance = dict(rtol=1e-12 if dtype == torch.float64 else 1e-5, atol=1e-6 if dtype == torch.float32 else 1e-12)
    torch.testing.assert_close(found.forces, exact, **tolerance)
    energies = state.system.sum_over_atoms(3.5 * KCAL_PER_MOL * (state.positions - 0.3).square().sum(1))
    torch.testing.assert_close(found.energy, energies, **tolerance)


def test_module_has_gradients_of_its_parameters() -> None:
    module = Harmonic()
    ModulePotential(module).evaluate(State.from_atoms(molecule("H2O")), create_graph=True).forces[0, 0].backward()
    assert float(module.k.grad) == pytest.approx(0.3 - float(molecule("H2O").positions[0, 0]))


def test_module_errors() -> None:
    both = State.from_atoms([molecule("H2O"), molecule("CH4")])
    with pytest.raises(LabkitError, match="systems of 3 to 5 atoms"):
        ModulePotential(Harmonic(), batched=True).evaluate(both)
    with pytest.raises(LabkitError, match=r"returned \(3,\), expected one number"):
        ModulePotential(lambda positions: positions.sum(1)).evaluate(both)
    with pytest.raises(LabkitError, match="is not computed from the positions"):
        ModulePotential(lambda positions: positions.detach().sum()).evaluate(both)
    with pytest.raises(LabkitError, match="no stress"):
        ModulePotential(Harmonic()).evaluate(State.from_atoms(bulk("Cu")), stress=True)
    with pytest.raises(LabkitError, match="cannot be called"):
        ModulePotential("model")


def springs() -> ForceField:
    bonds = HarmonicBonds([[0, 1], [0, 2]], k=40.0, r0=0.96)
    return ForceField({"bonds": bonds, "angles": HarmonicAngles([[1, 0, 2]], k=3.0, theta0=1.82)}, n_atoms=3)


class Torchmd:
    """As TorchMD's externals are: replicas at once, kcal/mol."""

    def __init__(self, state: State) -> None:
        self.state, self.shapes = state, []

    def calculate(self, pos, box):
        self.shapes.append((tuple(pos.shape), tuple(box.shape)))
        forcefield = springs().repeat(len(pos))
        found = forcefield.evaluate(self.state.replace(positions=pos.reshape(-1, 3), cell=box))
        return found.energy[:, None] / KCAL_PER_MOL, found.forces.reshape(pos.shape) / KCAL_PER_MOL


def waters() -> State:
    frames = [molecule("H2O") for _ in range(3)]
    for number, frame in enumerate(frames):
        frame.rattle(0.05, seed=number)
    return State.from_atoms(frames)


def test_torchmd_like_object_against_its_force_field() -> None:
    state = waters()
    external = Torchmd(state)
    found, exact = TorchmdPotential(external).evaluate(state), springs().repeat(3).evaluate(state)
    torch.testing.assert_close(found.energy, exact.energy, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.forces, exact.forces, rtol=1e-12, atol=1e-12)
    assert external.shapes == [((3, 3, 3), (3, 3, 3))]
    ends = [simulate(state, p, VelocityVerlet(), 20, 0.5) for p in (TorchmdPotential(external), springs().repeat(3))]
    torch.testing.assert_close(ends[0].positions, ends[1].positions, rtol=0, atol=1e-10)


def test_torchmd_errors() -> None:
    state = waters()

    class Wrong:
        def calculate(self, pos, box):
            return pos.sum(), -pos

    with pytest.raises(LabkitError, match=r"energy of shape \(\), expected \(3,\)"):
        TorchmdPotential(Wrong()).evaluate(state)
    with pytest.raises(LabkitError, match="has no method calculate"):
        TorchmdPotential(torch.nn.Identity())
    with pytest.raises(LabkitError, match="returns no stress"):
        TorchmdPotential(Wrong()).evaluate(State.from_atoms(bulk("Cu")), stress=True)
    with pytest.raises(LabkitError, match="cannot be differentiated"):
        TorchmdPotential(Torchmd(state)).evaluate(state, create_graph=True)
    with pytest.raises(LabkitError, match="cannot be differentiated"):
        TorchmdPotential(Torchmd(state)).energy(state.system, state.positions.requires_grad_(), state.cell, None)


def test_sums() -> None:
    """A prior from one side, a correction from the other."""
    state = waters()
    parts = [TorchmdPotential(Torchmd(state)), ModulePotential(Harmonic()), AsePotential(EMT())]
    whole = (parts[0] + parts[1] + parts[2]).evaluate(state)
    each = [p.evaluate(state) for p in parts]
    torch.testing.assert_close(whole.forces, sum(p.forces for p in each))
    torch.testing.assert_close(whole.energy, sum(p.energy for p in each).detach())
    energy = (parts[0] + parts[1]).energy(state.system, state.positions, state.cell, None)
    torch.testing.assert_close(energy.detach(), each[0].energy + each[1].energy)
    end = simulate(state, parts[0] + parts[1], VelocityVerlet(), 3, 0.5)  # the module's parameter wants gradients
    assert bool(torch.isfinite(end.positions).all())
