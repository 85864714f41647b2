"""Force fields and GAP in the engine: energy is conserved, runs go on to the bit, gradients pass through steps."""

import pytest
import torch

import labkit
from labkit.base import Observer, Potential, State
from labkit.engine import Constraints, Langevin, VelocityVerlet, kinetic_energy, maxwell_boltzmann, simulate
from labkit.errors import Stopped
from labkit.gap import Design, GapConfig, Soap
from labkit.units import KB

openmm = pytest.importorskip("openmm")

from forcefield import systems  # noqa: E402

from labkit.forcefield import from_openmm, import_openmm, state_from_openmm  # noqa: E402


class StopAt:
    """Progress that asks for the end at its n-th question."""

    def __init__(self, n: int) -> None:
        self.left = n

    def update(self, step: int, total: int, **metrics: object) -> None: ...

    def should_stop(self) -> bool:
        self.left -= 1
        return self.left < 0


class Break(Observer):
    """An observer that raises when it is first called after step 0."""

    every = 47

    def __init__(self, tired: bool = False) -> None:
        self.tired = tired

    def __call__(self, state: State, evaluation: object) -> None:
        if state.loop_step and not self.tired:
            raise RuntimeError("broken off")


@pytest.fixture(scope="module")
def water() -> tuple[Potential, State]:
    system, topology, positions = systems.water_box(100)
    forcefield, state = from_openmm(system), state_from_openmm(topology, positions, system)
    calm = simulate(state, forcefield, Langevin(temperature=50.0, friction=0.1), 300, 0.5)
    return forcefield, calm


@pytest.mark.parametrize("rigid", [False, True])
def test_water_conserves_its_energy(water, rigid) -> None:
    forcefield, state = water
    constraints = None
    if rigid:
        atoms = torch.arange(300).reshape(-1, 3)
        pairs = torch.cat([atoms[:, [0, 1]], atoms[:, [0, 2]], atoms[:, [1, 2]]])
        lengths = torch.tensor([0.96] * 200 + [1.52] * 100, dtype=torch.float64)
        constraints = Constraints(pairs, lengths)
    start = maxwell_boltzmann(state, 300.0, constraints=constraints)
    move = VelocityVerlet(constraints=constraints)
    energies, now = [], move.init(start, forcefield)
    for _ in range(400):
        now = move.step(now, forcefield, 0.5 if not rigid else 1.0)
        energies.append(float(now.energy[0] + kinetic_energy(now)[0]))
    half = torch.tensor(energies).reshape(2, -1).mean(1)
    # the pair potential is cut off without a switch: what crosses the cutoff costs some energy
    assert abs(float(half[1] - half[0])) < 0.01 * 900 * KB * 300 / 2


def test_a_run_stopped_at_a_checkpoint_goes_on_to_the_bit(water, tmp_path) -> None:
    forcefield, state = water
    integrator = Langevin(temperature=300.0, friction=0.01)
    whole = simulate(state, forcefield, integrator, 120, 0.5, checkpoint=tmp_path / "a", checkpoint_every=30)
    arguments = dict(checkpoint=tmp_path / "b", checkpoint_every=30)
    with pytest.raises(RuntimeError):
        simulate(state, forcefield, integrator, 120, 0.5, observers=[Break()], **arguments)
    part = simulate(state, forcefield, integrator, 120, 0.5, observers=[Break(tired=True)], **arguments)
    assert torch.equal(whole.positions, part.positions) and torch.equal(whole.velocities, part.velocities)
    with pytest.raises(Stopped) as stop:
        simulate(state, forcefield, integrator, 120, 0.5, progress=StopAt(0), checkpoint=tmp_path / "c")
    on = simulate(state, forcefield, integrator, 120, 0.5, checkpoint=tmp_path / "c")
    assert stop.value.partial.loop_step < 120 + state.loop_step and on.loop_step == whole.loop_step


def test_gradients_of_charges_pass_through_ten_steps() -> None:
    taken = import_openmm(systems.waters(2)[0])
    system, topology, positions = systems.waters(2)
    state = maxwell_boltzmann(state_from_openmm(topology, positions, system), 300.0)
    charges = next(t for t in taken.forcefield.terms.values() if hasattr(t, "charges")).charges

    def end() -> torch.Tensor:
        move = VelocityVerlet()
        now = move.init(state.replace(positions=state.positions.clone().requires_grad_()), taken.forcefield)
        for _ in range(10):
            now = move.step(now, taken.forcefield, 0.5)
        return now.positions.square().sum()

    charges.requires_grad_()
    (slope,) = torch.autograd.grad(end(), charges)
    values = []
    with torch.no_grad():
        for step in (1e-4, -2e-4):
            charges[0] += step
            with torch.enable_grad():
                values.append(float(end().detach()))
        charges[0] += 1e-4
    charges.requires_grad_(False)
    assert float(slope[0]) == pytest.approx((values[0] - values[1]) / 2e-4, rel=1e-4)


def test_a_gap_runs_in_the_engine() -> None:
    train = labkit.datasets.ice("train", n=50)
    design = Design.build(train, GapConfig(Soap(cutoff=3.0, n_max=4, l_max=3, n_sparse=40), sigma_virial=None))
    model = design.solve(sigma_force=0.05)
    two = State.from_atoms([labkit.datasets.ice("minimum").atoms[0]] * 2, seed=3)
    start = maxwell_boltzmann(two, torch.tensor([100.0, 200.0]))
    move = VelocityVerlet()
    now = move.init(start, model)
    first = now.energy + kinetic_energy(now)
    now = simulate(now, model, move, 100, 0.5)
    assert (now.energy + kinetic_energy(now) - first).abs().max() < 0.005
    assert not torch.equal(now.positions[:12], now.positions[12:])
