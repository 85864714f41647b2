"""Pairs in blinking tweezers: what is seen is the fluid's mobility, the blur of the camera and the forces included."""

import numpy as np
import pytest
import torch
from scipy import stats

from labkit.errors import LabkitError
from labkit.mobility import RotnePragerYamakawa, by_distance, pair_active, pair_passive
from labkit.mobility.examples import AboveWall, cloud
from labkit.mobility.tweezers import LAGS, Tweezers, of_pair
from tests.mobility.walkers import ETA, FREE, KT, A, T

FLUID = RotnePragerYamakawa(A, ETA)


def near(**how) -> Tweezers:
    return Tweezers(FLUID, T, 4.0 * A, 4.2 * A, pairs=3000, **how)


def test_watched_pairs_have_the_mobility_of_the_fluid_within_their_error_bars() -> None:
    seen = near().flash(seed=1)
    truth = of_pair(FLUID, torch.tensor([4.1 * A], dtype=torch.float64))[0]
    for lag in LAGS[:4]:
        found = pair_passive(seen.data(lag))
        assert float(((found.value - truth) / found.error).abs().max()) < 3.5


def test_blur_adds_its_variance_to_that_of_one_ball_and_not_to_the_coupling() -> None:
    clear, blurred = near().flash(seed=1), near(blur=0.5).flash(seed=1)
    lag = LAGS[0]
    more = pair_passive(blurred.data(lag)).value - pair_passive(clear.data(lag)).value
    assert float(more[0]) == pytest.approx(0.5**2 / (KT * lag), rel=0.05)
    assert float(more[1:].abs().max()) < 0.05 * FREE


def test_pushed_pairs_say_more_than_watched_ones() -> None:
    pushed, watched = near(force=0.03).flash(seed=2), near().flash(seed=2)
    active, passive = pair_active(pushed.data(160e3)), pair_passive(watched.data(160e3))
    truth = of_pair(FLUID, torch.tensor([4.1 * A], dtype=torch.float64))[0]
    assert float(((active.value - truth) / active.error).abs().max()) < 3.5
    assert bool((active.error < 0.6 * passive.error).all())


def test_distances_are_even_and_flashes_add_up() -> None:
    tweezers = Tweezers(FLUID, T, 25.0, 95.0, pairs=700)
    both = tweezers.flash(1) + tweezers.flash(2)
    r = (both.start[:, 1] - both.start[:, 0]).norm(dim=1)
    assert both.pairs == 1400 and stats.kstest(((r - 25) / 70).numpy(), "uniform").pvalue > 0.01
    assert torch.equal(both.moved[:700], tweezers.flash(1).moved) and not torch.equal(
        both.moved[:700], both.moved[700:]
    )
    assert len(by_distance(both.data(LAGS[0]), [25, 60, 95])) == 2


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"nearest": 30.0, "farthest": 30.0}, "distances from 30 to 30"),
        ({"force": -1.0}, "force is -1 eV/Å"),
        ({"blur": float("nan")}, "blur is nan Å"),
    ],
)
def test_experiments_that_make_no_sense(how, sentence) -> None:
    with pytest.raises(LabkitError, match=sentence):
        Tweezers(FLUID, T, **{"nearest": 25.0, "farthest": 95.0, **how})
    with pytest.raises(LabkitError, match="a lag of 3 fs was not kept"):
        Tweezers(FLUID, T, 25.0, 95.0, pairs=3).flash(1).data(3.0)


def test_heights_are_drawn_from_the_density_of_boltzmann() -> None:
    above = AboveWall(KT / 6, 8 * KT, 2.0, A)
    z, density = above.boltzmann(KT, 70.0)
    below = torch.cat([torch.zeros(1), torch.cumulative_trapezoid(density, z)]).numpy()
    drawn = above.heights(5000, KT, 70.0, seed=3).numpy()
    assert stats.kstest(drawn, lambda q: np.interp(q, z.numpy(), below)).pvalue > 0.01


def test_a_cloud_without_room_is_said() -> None:
    x = cloud(20, 60.0, 24.0)
    assert float(torch.pdist(x).min()) >= 24.0 and float(x.norm(dim=1).max()) <= 60.0
    with pytest.raises(LabkitError, match="of 9 places 24 Å apart"):
        cloud(9, 15.0, 24.0)
