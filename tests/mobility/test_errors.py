"""Error bars of learned pair mobilities, by repetition: deviations from a known fluid are as large as they say."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from labkit.errors import LabkitError
from labkit.mobility import (
    Active,
    Brownian,
    Estimate,
    PairModel,
    Passive,
    RotnePragerYamakawa,
    WholeModel,
    pair_learned,
    pair_passive,
    train,
)
from labkit.mobility.tweezers import of_pair
from tests.engine.tiny import Lonely
from tests.mobility.walkers import ETA, FREE, KT, A, T, replicas, run

FLUID = RotnePragerYamakawa(A, ETA)
R = torch.linspace(2 * A, 10 * A, 17, dtype=torch.float64)
LAG = 500.0
WEAKER = torch.tensor([1.0, 0.8, 0.8])


def pairs(samples: int, seed: int) -> Tensor:
    """All distances from 2a to 10a equally likely, in any direction."""
    generator = torch.Generator().manual_seed(seed)
    apart = torch.randn(samples, 3, generator=generator, dtype=torch.float64)
    r = A * (2 + 8 * torch.rand(samples, 1, generator=generator, dtype=torch.float64))
    return torch.stack([torch.zeros_like(apart), r * apart / apart.norm(dim=1, keepdim=True)], 1)


def watched(samples: int, seed: int) -> Passive:
    """Displacements in 0.5 ps of the engine's own Brownian dynamics."""
    x = pairs(samples, seed)
    after = run(Brownian(FLUID, T, "euler", drift=False), replicas(x, seed=seed), Lonely(), LAG, 1)
    return Passive(x, after.positions.view_as(x) - x, LAG, T)


def pushed(samples: int, seed: int) -> Active:
    """Mean velocities over 1 ns under forces of 0.1 eV/Å, with the noise of that time."""
    x = pairs(samples, seed)
    generator = torch.Generator().manual_seed(seed + 1000)
    f, w = torch.randn(2, *x.shape, generator=generator, dtype=torch.float64)
    noise = (2 * KT / 1e6) ** 0.5 * (torch.linalg.cholesky(FLUID.matrix(x)) @ w.flatten(1)[..., None]).view_as(x)
    return Active(x, 0.1 * f, FLUID.product(x, 0.1 * f) + noise)


def learned(data: Active | Passive, by: str = "", steps: int = 5, width: int = 6) -> Estimate:
    model = PairModel(own=0.5 * FREE, scale=2 * A, width=width)
    train(model, data, by=by, steps=steps, drift=False)
    return pair_learned(model, data, R, by=by)


def deviations(found: list[Estimate], scale: Tensor | float = 1.0) -> Tensor:
    """(seeds, distances, 3), in error bars."""
    return torch.stack([(scale * e.value - of_pair(FLUID, R)) / e.error for e in found])


def agree(z: Tensor) -> bool:
    """In the mean square as large as the error bars, none absurd, and over the seeds as often above as below."""
    return bool(0.5 < z.square().mean() < 1.7 and z.abs().max() < 5 and z.mean(0).abs().max() < 4.5 / len(z) ** 0.5)


def agrees_by_repetition(
    data: Callable[[int, int], Active | Passive], by: str, samples: int, seeds: int, **how
) -> None:
    found = [learned(data(samples, seed), by, **how) for seed in range(seeds)]
    assert agree(deviations(found))
    assert not agree(deviations(found, WEAKER))  # as of a model whose coupling is by a fifth too small


@pytest.mark.parametrize(
    ("data", "by", "seeds", "steps"),
    [(watched, "likelihood", 10, 2), (watched, "displacements", 10, 2), (pushed, "force matching", 5, 6)],
)
def test_error_bars_of_learned_pairs_by_repetition(data, by, seeds, steps) -> None:
    agrees_by_repetition(data, by, samples=1000, seeds=seeds, steps=steps)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "by", "steps"), [(watched, "likelihood", 4), (watched, "displacements", 4), (pushed, "force matching", 8)]
)
def test_error_bars_of_learned_pairs_by_many_repetitions(data, by, steps) -> None:
    """The model as wide as it is made, more data, more steps."""
    agrees_by_repetition(data, by, samples=2500, seeds=30, steps=steps, width=16)


def test_the_likelihood_tells_more_and_knows_of_forces() -> None:
    """Where forces act meanwhile they are part of the mean; more samples, smaller errors."""
    data = watched(1000, seed=1)
    few = Passive(data.positions[:250], data.displacements[:250], LAG, T)
    model = PairModel(own=0.5 * FREE, scale=2 * A, width=6)
    train(model, data, steps=2, drift=False)
    error = pair_learned(model, data, R).error
    assert bool((error < pair_learned(model, few, R).error).all())
    assert bool((error.mean(0) < pair_learned(model, data, R, by="displacements").error.mean(0)).all())
    forces = torch.randn(data.positions.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    forces = forces * 3 * (KT / (FREE * LAG)) ** 0.5  # they move a ball further than its noise
    moved = data.displacements + LAG * FLUID.product(data.positions, forces)
    driven = Passive(data.positions, moved, LAG, T, forces)
    train(model, driven, steps=2, drift=False)
    assert bool((pair_learned(model, driven, R).error < 0.7 * error).all())
    z = deviations([pair_learned(model, driven, R)])
    assert float(z.abs().max()) < 4


def test_error_bars_grow_where_no_data_are() -> None:
    data = watched(1500, seed=1)
    far = (data.positions[:, 1] - data.positions[:, 0]).norm(dim=1) > 5 * A
    data = Passive(data.positions[far], data.displacements[far], LAG, T)
    model = PairModel(own=0.5 * FREE, scale=2 * A, width=6)
    train(model, data, steps=2, drift=False)
    among, outside = pair_learned(model, data, torch.tensor([6 * A, 2 * A])).error
    assert bool((outside[1:] > 3 * among[1:]).all())
    # what does not depend on the distance is known as well as without a network
    assert float(among[0]) == pytest.approx(float(pair_passive(data).error[0]), rel=0.3)


def test_a_curve_that_noise_drives_to_its_bound_has_error_bars_that_know() -> None:
    """At contact M_ij is almost M_ii, where tanh is flat: by its slope alone the truth would be 7 errors away."""
    found = learned(watched(2500, seed=21), by="displacements", steps=4, width=16)
    assert float(found.value[0, 1]) > 0.9 * FREE
    assert float(deviations([found]).abs().max()) < 4


def test_mistakes() -> None:
    data = watched(10, seed=1)
    with pytest.raises(LabkitError, match="WholeModel has no error bars of this kind; expected a trained PairModel"):
        pair_learned(WholeModel(FREE, 20.0), data, R)
    with pytest.raises(LabkitError, match="by 'force matching' from Passive data"):
        pair_learned(PairModel(FREE, 20.0), data, R, by="force matching")
    with pytest.raises(LabkitError, match="needs at least 3 samples, found 2"):
        pair_learned(PairModel(FREE, 20.0), Passive(data.positions[:2], data.displacements[:2], LAG, T), R)
