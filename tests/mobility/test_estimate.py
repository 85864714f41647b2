"""Estimates of a known mobility: right within their error bars, which repetition shows to be the right ones."""

import pytest
import torch

from labkit.errors import LabkitError
from labkit.mobility import (
    Active,
    Brownian,
    Estimate,
    Passive,
    RotnePragerYamakawa,
    active,
    by_distance,
    maximum_likelihood,
    pair_active,
    pair_passive,
    passive,
    scan_lags,
)
from tests.engine.tiny import Lonely
from tests.mobility.walkers import ETA, FREE, KT, A, T, replicas, run

FLUID = RotnePragerYamakawa(A, ETA)
R = 3.0 * A
PAIR = torch.tensor([[1.0, 2.0, 3.0], [1.0 + R / 3**0.5, 2.0 + R / 3**0.5, 3.0 + R / 3**0.5]], dtype=torch.float64)
TRUTH = torch.tensor([1.0, 1.5 * A / R - (A / R) ** 3, 0.75 * A / R + 0.5 * (A / R) ** 3]).double() * FREE
LAG = 100.0


def watched(samples: int, seed: int) -> Passive:
    """Displacements of two particles after one step of Brownian dynamics."""
    start = PAIR.expand(samples, 2, 3)
    moved = run(Brownian(FLUID, T, "euler", drift=False), replicas(start, seed=seed), Lonely(), LAG, 1)
    return Passive(start, moved.positions.view(samples, 2, 3) - start, LAG, T)


def pushed(samples: int, seed: int) -> Active:
    """Mean velocities of runs of 1 ns in which random forces act, with the noise of that time."""
    generator = torch.Generator().manual_seed(seed)
    f, w = torch.randn(2, samples, 2, 3, generator=generator, dtype=torch.float64)
    x, f = PAIR.expand(samples, 2, 3), 0.2 * f
    lower = torch.linalg.cholesky(FLUID.matrix(x[:1]))
    noise = (2 * KT / 1e6) ** 0.5 * (lower @ w.flatten(1)[..., None]).view_as(x)
    return Active(x, f, FLUID.product(x, f) + noise)


def judge(estimates: list[Estimate], truth: torch.Tensor) -> None:
    """Distances from the truth, in error bars: of mean 0 and variance 1 over repetitions."""
    z = torch.stack([((e.value - truth) / e.error).flatten() for e in estimates])
    n = len(z)
    assert float(z.mean(0).abs().max()) < 4.5 / n**0.5
    assert 0.8 < float(z.square().mean()) < 1.25


@pytest.mark.parametrize(("estimator", "data"), [(pair_passive, watched), (pair_active, pushed)])
def test_error_bars_of_pairs_by_repetition(estimator, data) -> None:
    judge([estimator(data(200, seed)) for seed in range(150)], TRUTH)


@pytest.mark.parametrize(("estimator", "data"), [(passive, watched), (active, pushed)])
def test_error_bars_of_whole_matrices_by_repetition(estimator, data) -> None:
    judge([estimator(data(200, seed)) for seed in range(100)], FLUID.matrix(PAIR[None])[0])


def test_maximum_likelihood_tells_viscosity_and_radius_with_error_bars() -> None:
    guess = RotnePragerYamakawa(1.5 * A, 0.5 * ETA)
    estimates = []
    for seed in range(40):
        model, estimate = maximum_likelihood(guess, watched(300, seed), ["viscosity", "radius"])
        estimates.append(estimate)
        assert float(model.viscosity) == pytest.approx(float(estimate.value[0]))
    assert float(guess.radius) == 1.5 * A
    z = torch.stack([(e.value - torch.tensor([ETA, A])) / e.error for e in estimates])
    assert 0.6 < float(z.square().mean()) < 1.5 and float(z.mean(0).abs().max()) < 4 / 40**0.5
    with pytest.raises(LabkitError, match="no parameter 'eta'"):
        maximum_likelihood(guess, watched(10, 1), ["eta"])


def test_by_distance() -> None:
    x = PAIR[None].repeat(3000, 1, 1)
    x[:, 1, 0] += 40.0 * torch.rand(3000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    f = torch.randn(3000, 2, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = by_distance(Active(x, f, FLUID.product(x, f)), [20.0, 30.0, 35.0, 40.0, 45.0, 50.0, 200.0])
    assert len(found) == 5  # none is nearer than 30 Å
    for r, estimate in found[:4]:
        along = FREE * (1.5 * A / r - (A / r) ** 3)
        assert estimate.value.tolist()[:2] == pytest.approx([FREE, along], rel=0.01)


def test_the_lag_is_where_the_plateau_begins() -> None:
    """Velocities that remember 8 frames (Ornstein and Uhlenbeck): M is seen at long lags only."""
    generator = torch.Generator().manual_seed(4)
    frames, systems, memory = 3000, 12, 8.0
    keep = float(torch.exp(torch.tensor(-1 / memory)))
    v = torch.zeros(systems, 2, 3, dtype=torch.float64)
    x, path = torch.zeros_like(v), []
    x[:, 1, 0] = 1e5  # a pair that does not feel one another
    for _ in range(frames):
        v = keep * v + torch.randn(v.shape, generator=generator, dtype=torch.float64)
        x = x + v
        path.append(x)
    scale = (2 * KT * FREE * LAG) ** 0.5 * (1 - keep)  # <Δ²> -> 2 k_B T FREE t
    trajectory = torch.stack(path) * scale
    scan = scan_lags(trajectory, LAG, T, [1, 2, 4, 8, 16, 32, 64, 128, 256])
    own = torch.stack([e.value[0] for e in scan.estimates]) / FREE
    assert scan.settled and 32 <= scan.lags[scan.chosen] / LAG <= 256
    assert float(own[0]) < 0.2 and float(scan.best.value[0]) == pytest.approx(FREE, rel=0.2)
    assert not scan_lags(trajectory, LAG, T, [1, 2, 4]).settled
    walk = torch.randn(4000, 2, 3, generator=generator, dtype=torch.float64).cumsum(0)
    assert scan_lags(walk + torch.tensor([[0.0], [1e5]]), LAG, T, [1, 2, 4, 8]).chosen <= 1
    with pytest.raises(LabkitError, match="at least two, ascending"):
        scan_lags(trajectory, LAG, T, [4, 2])


def test_mistakes() -> None:
    data = pushed(50, 1)
    with pytest.raises(LabkitError, match="span 3 of 6 directions"):
        active(Active(data.positions, data.forces * torch.tensor([[1.0], [0.0]]), data.velocities))
    three = torch.zeros(5, 3, 3)
    with pytest.raises(LabkitError, match="needs 2 particles in each sample, found 3"):
        pair_active(Active(three, three, three))
    with pytest.raises(LabkitError, match="at least 3 samples, found 2"):
        passive(Passive(three[:2], three[:2], 1.0, T))
