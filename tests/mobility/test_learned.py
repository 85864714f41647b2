"""Learned mobilities: what holds by construction, what is learned of a known fluid, and files."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.spatial.transform import Rotation

from labkit.errors import LabkitError, Stopped
from labkit.mobility import (
    Active,
    Brownian,
    PairModel,
    Passive,
    RotnePragerYamakawa,
    WholeModel,
    check_positive,
    load_mobility,
    pair_learned,
    save_mobility,
    train,
)
from labkit.mobility.divergence import divergence
from labkit.mobility.tweezers import of_pair
from tests.engine.tiny import Lonely
from tests.mobility.walkers import ETA, FREE, KT, A, T, replicas, run

FLUID = RotnePragerYamakawa(A, ETA)


def apart(samples: int, n: int, side: float, seed: int, least: float = 2 * A) -> torch.Tensor:
    """Configurations of n particles in a cube, no two nearer than `least`."""
    generator = torch.Generator().manual_seed(seed)
    x = side * torch.rand(20 * samples, n, 3, generator=generator, dtype=torch.float64)
    near = torch.cdist(x, x) + 1e9 * torch.eye(n)
    return x[near.amin((1, 2)) > least][:samples]


def pushed(samples: int, n: int, side: float, seed: int) -> Active:
    """Mean velocities over 10 ns in all, in short runs, of particles that are pushed with 0.1 eV/Å: noise of 2 %."""
    x = apart(samples, n, side, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    f, w = 0.1 * torch.randn(2, *x.shape, generator=generator, dtype=torch.float64)
    lower = torch.linalg.cholesky(FLUID.matrix(x))
    noise = (2 * KT / 1e7) ** 0.5 * (lower @ (10 * w).flatten(1)[..., None]).view_as(x)
    return Active(x, f, FLUID.product(x, f) + noise)


def pair(r: torch.Tensor) -> torch.Tensor:
    x = torch.zeros(len(r), 2, 3, dtype=torch.float64)
    x[:, 1, 0] = r
    return x


def test_a_learned_pair_mobility_of_a_known_fluid_is_within_3_percent() -> None:
    """From forces and mean velocities of three particles; every element from 2a to 10a."""
    model = PairModel(own=0.5 * FREE, scale=2 * A)
    data, r = pushed(2000, 3, 11 * A, seed=1), torch.linspace(2 * A, 10 * A, 81, dtype=torch.float64)
    losses = train(model, data, steps=8)
    assert losses[-1] < 1e-3
    found, truth = pair_learned(model, data, r), of_pair(FLUID, r)
    assert float((found.value / truth - 1).abs().max()) < 0.03
    assert float(((found.value - truth) / found.error).abs().max()) < 5


def watched(samples: int, seed: int, scheme: str = "euler") -> Passive:
    """Displacements in 0.5 ns of the engine's own Brownian dynamics of two particles."""
    x = apart(samples, 2, 5 * A, seed)
    moved = run(Brownian(FLUID, T, scheme, drift=False), replicas(x, seed=seed), Lonely(), 500.0, 1).positions
    return Passive(x, moved.view_as(x) - x, 500.0, T)


def test_a_whole_model_learns_the_fluid_and_is_positive_where_it_never_was() -> None:
    model = WholeModel(own=0.5 * FREE, scale=2 * A)
    train(model, pushed(300, 4, 6 * A, seed=5), steps=6)
    x = apart(20, 4, 6 * A, seed=8)
    found, truth = model.matrix(x).detach(), FLUID.matrix(x)
    assert float((found - truth).norm() / truth.norm()) < 0.05
    crowd = 3 * A * torch.rand(50, 12, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert float(torch.linalg.eigvalsh(model.matrix(crowd).detach()).min()) > -1e-12 * FREE


@pytest.mark.parametrize("kind", [PairModel, WholeModel])
def test_symmetric_covariant_and_indifferent_to_the_order(kind) -> None:
    model = kind(own=FREE, scale=15.0, seed=4)
    x = 60.0 * torch.rand(3, 5, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    f = torch.randn(3, 5, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    m = model.matrix(x)
    assert torch.allclose(m, m.mT, atol=1e-14 * FREE)
    assert torch.allclose((m @ f.view(3, 15, 1)).view_as(f), model.product(x, f), rtol=1e-10)
    r = torch.as_tensor(Rotation.random(random_state=1).as_matrix())
    assert torch.allclose(model.product(x @ r.mT, f @ r.mT), model.product(x, f) @ r.mT, atol=1e-10 * FREE)
    order = torch.tensor([3, 0, 4, 1, 2])
    assert torch.allclose(model.product(x[:, order], f[:, order]), model.product(x, f)[:, order], rtol=1e-10)


def test_a_pair_model_is_positive_for_pairs_and_says_where_it_is_not_for_more() -> None:
    model = PairModel(own=FREE, scale=30.0)
    with torch.no_grad():  # as coupled as it can be, at all distances
        model.radial.layers[-1].bias.copy_(torch.tensor([50.0, -50.0]))
    x = 20.0 * torch.rand(500, 2, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    check_positive(model.matrix(x), x)
    many = 20.0 * torch.rand(1, 4, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with pytest.raises(
        LabkitError, match=r"system 0 is not positive.*eigenvalue is -.*particles \d and \d.*WholeModel"
    ):
        check_positive(model.matrix(many), many)


@pytest.mark.parametrize("kind", [PairModel, WholeModel])
def test_models_are_finite_where_two_particles_are_at_one_place(kind) -> None:
    model = kind(own=FREE, scale=15.0, seed=4)
    x = torch.tensor([[[0.0, 0, 0], [0, 0, 0], [20, 5, 1]]], dtype=torch.float64, requires_grad=True)
    matrix = model.matrix(x)
    (gradient,) = torch.autograd.grad(matrix.square().sum(), x)
    assert bool(torch.isfinite(matrix).all() and torch.isfinite(gradient).all())
    assert bool(torch.isfinite(divergence(model, x.detach())).all())
    assert float(torch.linalg.eigvalsh(matrix.detach()).min()) > -1e-12 * FREE


@pytest.mark.parametrize("scheme", ["midpoint", "euler"])
def test_a_model_drives_brownian_dynamics_with_its_drift(scheme) -> None:
    """Free pairs part by k_B T ∇·M τ in a short step, and by nothing without the drift; 30,000 pairs, 2 Å apart."""
    model = PairModel(own=FREE, scale=5.0, seed=3)
    lag = 0.02 / (KT * FREE)  # a bead moves 0.2 Å
    expected = KT * lag * divergence(model, pair(torch.tensor([2.0]))).detach()[0, 1, 0].item()
    state = replicas(pair(torch.tensor([2.0])).expand(30_000, 2, 3), seed=1)
    after = run(Brownian(model, T, scheme), state, Lonely(), lag, 1).positions
    assert not after.requires_grad
    parted = (after - state.positions).view(-1, 2, 3)[:, :, 0].diff(dim=1)[:, 0] / 2
    error = float(parted.std()) / len(parted) ** 0.5
    assert abs(expected) > 8 * error
    assert float(parted.mean()) == pytest.approx(expected, abs=3 * error)


def test_files(tmp_path) -> None:
    for kind in (PairModel, WholeModel):
        model = kind(own=FREE, scale=15.0, width=5, seed=4)
        save_mobility(model, tmp_path / "m.safetensors", {"data": "none"})
        again = load_mobility(tmp_path / "m.safetensors")
        x = pair(torch.tensor([25.0, 40.0]))
        assert type(again) is kind and torch.equal(again.matrix(x), model.matrix(x))
    save_file(load_file(tmp_path / "m.safetensors"), tmp_path / "bare.safetensors")
    with pytest.raises(LabkitError, match="not a learned mobility of labkit"):
        load_mobility(tmp_path / "bare.safetensors")
    with pytest.raises(LabkitError, match="RotnePragerYamakawa is not a learned mobility"):
        save_mobility(FLUID, tmp_path / "m.safetensors")


def test_mistakes() -> None:
    data = pushed(20, 2, 6 * A, seed=1)
    with pytest.raises(LabkitError, match=r"velocities are \(19, 2, 3\); expected \(20, 2, 3\)"):
        Active(data.positions, data.forces, data.velocities[1:])
    with pytest.raises(LabkitError, match="by 'likelihood' from Active data"):
        train(PairModel(FREE, 20.0), data, by="likelihood")
    with pytest.raises(LabkitError, match="nothing to learn"):
        train(FLUID, data)
    with pytest.raises(LabkitError, match="lag of 9 frames does not fit"):
        Passive.from_trajectory(torch.zeros(5, 2, 3), 1.0, T, every=9)


def test_stop_in_the_middle_of_a_step_leaves_the_last_whole_one() -> None:
    class Impatient:
        def __init__(self) -> None:
            self.steps = self.more = 0

        def update(self, step: int, total: int, **metrics: float) -> None:
            self.steps = step

        def should_stop(self) -> bool:
            self.more += self.steps == 2
            return self.more > 3

    data = watched(30, seed=9)
    stopped, whole = PairModel(FREE, 20.0), PairModel(FREE, 20.0)
    whole.load_state_dict(stopped.state_dict())
    with pytest.raises(Stopped, match="after 2 of 100 steps") as stop:
        train(stopped, data, drift=False, progress=Impatient())
    assert stop.value.partial == train(whole, data, drift=False, steps=2)
    for one, other in zip(stopped.parameters(), whole.parameters()):
        assert torch.equal(one, other)
