"""Parameters found again from the ends of short trajectories."""

import pytest
import torch

from labkit.base import State
from labkit.engine import Matching, VelocityVerlet, fire, gradient_memory, match_trajectory, maxwell_boltzmann, simulate
from labkit.errors import LabkitError, Stopped
from labkit.exercises.nb08 import force_constant, vibration
from labkit.forcefield import Coulomb, ForceField, HarmonicBonds, LennardJones, share, to_openmm
from labkit.forcefield.examples.brine import CHARGES, brine, kinds


@pytest.fixture(scope="module")
def salt() -> tuple[State, ForceField]:
    state, forcefield = brine(8)
    state = maxwell_boltzmann(fire(state, forcefield, fmax=2.0, steps=200), 300.0)
    return simulate(state, forcefield, VelocityVerlet(), 40, 0.5), forcefield


def test_brine_is_neutral_and_as_dense_as_water(salt) -> None:
    state, forcefield = salt
    charges = forcefield.terms["electrostatics"].charges
    assert float(charges.sum()) == pytest.approx(0.0, abs=1e-12)
    assert [float(charges[int((kinds(state) == k).nonzero()[0])]) for k in range(4)] == list(CHARGES.values())
    large, _ = brine(97)
    assert len(large.positions) == 293
    density = 97 * 18.015 / float(large.volume()) / 0.60221
    assert 0.95 < density < 1.0  # g/cm³; the ions take room, too
    with pytest.raises(LabkitError, match="expected 8 or more"):
        brine(7)


def test_charges_of_brine_within_three_per_cent(salt) -> None:
    start, forcefield = salt
    end = simulate(start, forcefield, VelocityVerlet(), 10, 0.5)
    term = forcefield.terms["electrostatics"]
    charges = share(term, "charges", kinds(start))
    with torch.no_grad():
        charges *= 0.6
    fit = match_trajectory(start, end, forcefield, charges, iterations=20)
    assert fit.losses[0] == 1.0 and min(fit.losses) < 1e-5 and fit.best == charges.tolist()
    for found, true in zip(fit.best, CHARGES.values(), strict=True):
        assert found == pytest.approx(true, rel=0.03)
    assert torch.equal(term.charges, charges[kinds(start)])


@pytest.mark.slow
def test_97_waters_and_salt() -> None:
    state, forcefield = brine(97)
    state = maxwell_boltzmann(fire(state, forcefield, fmax=2.0, steps=300), 300.0)
    state = simulate(state, forcefield, VelocityVerlet(), 100, 0.5)
    end = simulate(state, forcefield, VelocityVerlet(), 10, 0.5)
    charges = share(forcefield.terms["electrostatics"], "charges", kinds(state))
    with torch.no_grad():
        charges *= 0.5
    fit = match_trajectory(state, end, forcefield, charges, iterations=25, segment=10)
    for found, true in zip(fit.best, CHARGES.values(), strict=True):
        assert found == pytest.approx(true, rel=0.03)


def test_force_constant_of_a_vibration() -> None:
    start, end = vibration()
    bond = ForceField({"bonds": HarmonicBonds([[0, 1]], k=20.0, r0=0.74)}, n_atoms=2)
    k = bond.terms["bonds"].k.requires_grad_()
    (found,) = match_trajectory(start, end, bond, k, dt=0.25).best
    assert found == pytest.approx(35.9, rel=1e-4)
    assert force_constant(start, end).value == pytest.approx(35.9, rel=1e-8)


class StopAfter:
    def __init__(self, count: int) -> None:
        self.count, self.seen = count, []

    def update(self, step, total, **metrics) -> None:
        self.seen.append(metrics.get("result"))

    def should_stop(self) -> bool:
        return len(self.seen) >= self.count


def test_stopping_keeps_the_best() -> None:
    start, end = vibration()
    bond = ForceField({"bonds": HarmonicBonds([[0, 1]], k=20.0, r0=0.74)}, n_atoms=2)
    k = bond.terms["bonds"].k.requires_grad_()
    progress = StopAfter(3)
    with pytest.raises(Stopped) as stopped:
        match_trajectory(start, end, bond, k, dt=0.25, progress=progress)
    fit = stopped.value.partial
    assert isinstance(fit, Matching) and len(fit.losses) == 3 and k.tolist() == fit.best
    assert [len(one.losses) for one in progress.seen] == [1, 2, 3]
    with pytest.raises(LabkitError, match="not a leaf that requires gradients"):
        match_trajectory(start, end, bond, torch.ones(1))


def test_shared_parameters() -> None:
    bonds = HarmonicBonds([[0, 1], [1, 2], [2, 3]], k=[10.0, 20.0, 40.0], r0=1.0)
    values = share(bonds, "k", torch.tensor([0, 1, 1]))
    assert values.tolist() == [10.0, 30.0] and bonds.k.tolist() == [10.0, 30.0, 30.0]
    (gradient,) = torch.autograd.grad((bonds.k * torch.tensor([1.0, 2.0, 3.0])).sum(), values)
    assert gradient.tolist() == [1.0, 5.0]
    with pytest.raises(LabkitError, match="has no parameter 'charges'; it has k, r0"):
        share(bonds, "charges", torch.tensor([0]))
    with pytest.raises(LabkitError, match="2 kinds for 3 values of r0"):
        share(bonds, "r0", torch.tensor([0, 0]))


def test_gradient_memory_counts_what_is_saved() -> None:
    x = torch.ones(1000, dtype=torch.float64, requires_grad=True)
    assert gradient_memory(lambda: x.exp().exp().sum()) == 16000


def test_shared_parameters_stay_on_the_compiled_path_and_go_to_openmm() -> None:
    """What a fit has found is run at full speed, repeated, and exported."""
    state, forcefield = brine(8)
    before = forcefield.evaluate(state)
    for term in forcefield.terms.values():
        for key in term.VALUES[:1]:
            share(term, key, torch.unique(getattr(term, key).detach(), return_inverse=True)[1])
            assert term.kind is not type(term)
    after = forcefield.evaluate(state)
    assert torch.allclose(after.energy, before.energy, rtol=1e-12) and torch.allclose(after.forces, before.forces)
    forcefield.reset()
    assert {term.kind for term in forcefield.compiled(state).rest.pairs} == {LennardJones, Coulomb}
    pair = State.batch([state, state], seed=1)
    assert torch.allclose(forcefield.repeat(2).evaluate(pair).energy, before.energy.expand(2), rtol=1e-12)
    openmm = pytest.importorskip("openmm")
    box = torch.diag(torch.full((3,), 60.0, dtype=torch.float64))
    assert isinstance(to_openmm(forcefield, state.system.masses, box), openmm.System)
