"""Gradients through whole trajectories: finite differences, the plain graph, and what memory they take."""

import pytest
import torch
from ase import Atoms
from forcefield import systems

from labkit.base import AsePotential, State
from labkit.engine import Csvr, Langevin, VelocityVerlet, gradient_memory, maxwell_boltzmann, rollout
from labkit.errors import LabkitError
from labkit.forcefield import LennardJones, import_openmm, state_from_openmm
from tests.engine.tiny import Wells, rigid_water, water
from tests.engine.toys import fluid

RULES = {
    "nve": VelocityVerlet(),
    "langevin": Langevin(120.0, 0.01),
    "csvr": Csvr(120.0, 50.0),
}


def weights(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def argon() -> tuple[State, LennardJones]:
    """Hot atoms, so that lists of neighbours are found again on the way; no step in energy or force at the cutoff."""
    state = maxwell_boltzmann(fluid(1, copies=2), 120.0)
    n = state.system.n_atoms
    return state, LennardJones([3.4] * n, [0.0104] * n, cutoff=6.0, switch=4.0)


def loss(rule, state, potential, steps=30, **how):
    end, seen = rollout(
        state,
        potential,
        rule,
        steps,
        4.0,
        observe=lambda s: s.energy.square() + s.positions[0, 0],
        every=4,
        **how,
    )
    scale = weights(*end.positions.shape)
    return (scale * (end.positions + 10 * end.velocities)).sum() + 10 * seen.sum() + end.energy.sum()


@pytest.mark.parametrize("name", RULES)
def test_against_finite_differences(name) -> None:
    state, potential = argon()
    starts = {"positions": state.positions, "velocities": state.velocities, "cell": state.cell}
    epsilon = potential.epsilon.detach().clone()

    def value(parts, strength):
        potential.epsilon.data.copy_(strength)
        return loss(RULES[name], state.replace(**parts), potential)

    leaves = {key: tensor.clone().requires_grad_() for key, tensor in starts.items()}
    potential.epsilon.requires_grad_()
    gradients = torch.autograd.grad(value(leaves, epsilon), [*leaves.values(), potential.epsilon])
    for key, gradient in zip([*leaves, "epsilon"], gradients, strict=True):
        step = weights(*gradient.shape, seed=3)
        h = 1e-4 * {"velocities": 1e-2, "epsilon": 1e-2}.get(key, 1.0)
        with torch.no_grad():
            total = torch.tensor(0.0, dtype=torch.float64)
            for times, weight in ((1, 8), (-1, -8), (2, -1), (-2, 1)):  # of fourth order
                parts = {k: t + times * h * step if k == key else t for k, t in starts.items()}
                total += weight * value(parts, epsilon + times * h * step if key == "epsilon" else epsilon)
        assert float((gradient * step).sum()) == pytest.approx(float(total) / (12 * h), rel=1e-6), key


@pytest.mark.parametrize("name", RULES)
def test_against_the_plain_graph(name) -> None:
    """Segments of any length against a loop of steps that keeps all."""
    found = []
    for segment in (None, 1, 7, 30):
        state, potential = argon()
        potential.epsilon.requires_grad_()
        leaves = [t.clone().requires_grad_() for t in (state.positions, state.velocities, state.cell)]
        start = state.replace(**dict(zip(("positions", "velocities", "cell"), leaves, strict=True)))
        found.append(
            torch.autograd.grad(loss(RULES[name], start, potential, segment=segment), [*leaves, potential.epsilon])
        )
    state, potential = argon()
    potential.epsilon.requires_grad_()
    leaves = [t.clone().requires_grad_() for t in (state.positions, state.velocities, state.cell)]
    moving = state.replace(**dict(zip(("positions", "velocities", "cell"), leaves, strict=True)))
    moving, total = RULES[name].init(moving, potential), 0.0
    for step in range(1, 31):
        moving = RULES[name].step(moving, potential, 4.0)
        if step % 4 == 0:
            total = total + 10 * (moving.energy.square() + moving.positions[0, 0]).sum()
    scale = weights(*moving.positions.shape)
    total = total + (scale * (moving.positions + 10 * moving.velocities)).sum() + moving.energy.sum()
    plain = torch.autograd.grad(total, [*leaves, potential.epsilon])
    for gradients in found:
        for one, exact in zip(gradients, plain, strict=True):
            assert float((one - exact).norm() / exact.norm()) < 1e-12


def test_force_field_in_water() -> None:
    """Charges of a periodic box with its reaction field: the compiled path gives way, and the gradient is right."""
    system, topology, positions = systems.water_box(30)
    forcefield = import_openmm(system).forcefield
    state = maxwell_boltzmann(state_from_openmm(topology, positions, system), 300.0, seed=1)
    (charged,) = [term for term in forcefield.terms.values() if hasattr(term, "charges")]
    charges = charged.charges.detach().clone()

    def value(scale):
        charged.charges.data.copy_(charges * scale)
        end, _ = rollout(state, forcefield, VelocityVerlet(), 9, 0.5)
        return (end.velocities * weights(*end.velocities.shape)).sum()

    charged.charges.requires_grad_()
    (gradient,) = torch.autograd.grad(value(1.0), charged.charges)
    with torch.no_grad():
        slope = (value(1 + 1e-5) - value(1 - 1e-5)) / 2e-5
    assert float((gradient * charges).sum()) == pytest.approx(float(slope), rel=1e-6)


def test_rigid_molecules() -> None:
    rule = Langevin(300.0, 0.01, rigid_water())
    start = maxwell_boltzmann(State.from_atoms(water(), seed=4), 300.0, constraints=rigid_water())
    well = Wells(0.3)

    def value(k):
        well.k.data.copy_(k)
        return rollout(start, well, rule, 12, 1.0)[0].positions.square().sum()

    k = torch.tensor(0.3, dtype=torch.float64)
    well.k.requires_grad_()
    (gradient,) = torch.autograd.grad(value(k), well.k)
    with torch.no_grad():
        slope = (value(k + 1e-5) - value(k - 1e-5)) / 2e-5
    assert float(gradient) == pytest.approx(float(slope), rel=1e-6)


def most_memory(steps: int, segment: int | None = None) -> int:
    state, potential = argon()
    potential.epsilon.requires_grad_()
    rule = Langevin(120.0, 0.01)
    return gradient_memory(
        lambda: rollout(state, potential, rule, steps, 0.5, segment=segment)[0].positions.square().sum()
    )


def test_memory_grows_as_the_square_root() -> None:
    small, middle, large = (most_memory(steps) for steps in (16, 64, 144))
    assert 1.4 < middle / small < 2.2 and 1.2 < large / middle < 1.7  # expected 2 and 1.5
    assert most_memory(64, segment=64) > 5 * middle


@pytest.mark.slow
def test_memory_of_a_long_run() -> None:
    small, middle, large = (most_memory(steps) for steps in (100, 400, 1600))
    assert 1.6 < middle / small < 2.4 and 1.6 < large / middle < 2.4


def test_observations() -> None:
    state, potential = argon()
    end, seen = rollout(state, potential, VelocityVerlet(), 10, 1.0, observe=lambda s: s.positions[:2], every=3)
    assert seen.shape == (3, 2, 3) and end.loop_step == 10 and not seen.requires_grad
    nothing, none = rollout(state, potential, VelocityVerlet(), 0, 1.0)
    assert none is None and torch.equal(nothing.positions, state.positions)


def test_what_would_be_missed_is_an_error() -> None:
    state, potential = argon()
    weight = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    arguments = (state, potential, VelocityVerlet(), 4, 1.0)  # two segments of two steps
    with pytest.raises(LabkitError, match=r"shape \(\) that requires gradients.*parameters="):
        rollout(*arguments, observe=lambda s: weight * s.positions)
    _, seen = rollout(*arguments, observe=lambda s: weight * s.positions, parameters=[weight])
    (gradient,) = torch.autograd.grad(seen.sum(), weight)
    assert float(gradient) == pytest.approx(float(seen.detach().sum()) / 2)


def test_errors() -> None:
    state, potential = argon()
    with pytest.raises(LabkitError, match="between steps 0 and 4: system 0, atom"):
        rollout(state, potential, VelocityVerlet(), 16, 2000.0)
    with pytest.raises(LabkitError, match="every is 0"):
        rollout(state, potential, VelocityVerlet(), 16, 1.0, every=0)
    with pytest.raises(LabkitError, match="observe returned float"):
        rollout(state, potential, VelocityVerlet(), 2, 1.0, observe=lambda s: 1.0)
    from ase.calculators.emt import EMT

    copper = State.from_atoms(Atoms("Cu2", [[0, 0, 0], [2.5, 0, 0]]))
    with pytest.warns(UserWarning), pytest.raises(LabkitError, match="cannot be differentiated"):
        rollout(
            copper.replace(positions=copper.positions.requires_grad_()), AsePotential(EMT()), VelocityVerlet(), 2, 1.0
        )
