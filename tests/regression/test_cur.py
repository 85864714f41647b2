"""CUR of a kernel: near the best approximation of its rank, and frequencies count."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labkit.regression import select
from labkit.regression.cur import cur_covariance, cur_points, leverage


def like_and_unlike(cold: int, hot: int, seed: int, width: float = 1e-3) -> Tensor:
    """Unit vectors: many within `width` of one another, the others spread out."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.ones(12, dtype=torch.float64)
    rows = torch.randn(cold + hot, 12, generator=generator, dtype=torch.float64)
    rows[:cold] *= width
    rows = centre + rows
    return rows / rows.norm(dim=1, keepdim=True)


def left(features: Tensor, chosen: Tensor, zeta: float) -> Tensor:
    """k(i, i) - k_iᵀ K⁻¹ k_i."""
    kernel = (features @ features.mT) ** zeta
    gain = torch.linalg.lstsq(kernel[chosen][:, chosen], kernel[chosen], driver="gelsd").solution
    return kernel.diagonal() - (kernel[chosen] * gain).sum(0)


@settings(max_examples=20, deadline=None)
@given(st.integers(40, 120), st.integers(20, 60), st.integers(4, 20), st.integers(1, 99), st.sampled_from([2.0, 4.0]))
def test_near_the_best_of_its_rank(cold: int, hot: int, count: int, seed: int, zeta: float) -> None:
    """Mean over draws (Chen et al.): at most twice what the best r leave, where r (1 + log 1/η_r) <= count."""
    features = like_and_unlike(cold, hot, seed)
    rest = []
    for draw in range(40):
        chosen = cur_covariance(features, count, draw, zeta=zeta)
        assert chosen.tolist() == sorted(set(chosen.tolist())) and len(chosen) == count
        rest.append(float(left(features, chosen, zeta).sum()))
    values = torch.linalg.eigvalsh((features @ features.mT) ** zeta).flip(0)
    best = values.sum() - torch.cat([torch.zeros(1, dtype=torch.float64), values.cumsum(0)])
    rank = max(r for r in range(count) if r * (1 + torch.log(best[0] / best[r])) <= count)
    assert np.mean(rest) < 2 * best[rank] + 4 * np.std(rest) / 40**0.5


@settings(max_examples=30, deadline=None)
@given(st.integers(100, 300), st.integers(10, 40), st.integers(1, 99))
def test_like_rows_are_covered_beside_unlike_ones(cold: int, hot: int, seed: int) -> None:
    """Leverage alone takes unlike rows only: then more of each like row is left than of an unlike one."""
    features = like_and_unlike(cold, hot, seed)
    for method in (cur_covariance, cur_points):
        rest = left(features, method(features, hot // 2, seed, zeta=4.0), 4.0)
        assert rest[:cold].mean() < 0.02 * rest[cold:].mean()
    assert leverage(features, hot // 2).min() >= cold


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.sampled_from([1.0, 2.5, 4.0]), st.integers(1, 99), st.booleans())
def test_half_of_the_rows_have_the_largest_leverage(count: int, zeta: float, seed: int, repeated: bool) -> None:
    features = like_and_unlike(30, 15, seed, width=0.1)
    features = features.repeat(2, 1) if repeated else features
    chosen = cur_points(features, count, seed, zeta=zeta)
    assert chosen.tolist() == sorted(set(chosen.tolist())) and len(chosen) == count
    assert set(leverage(features, count // 2).tolist()) <= set(chosen.tolist())


def test_weights_are_frequencies() -> None:
    features = like_and_unlike(30, 30, 1, width=0.3)
    weights = torch.ones(60)
    weights[:30] = 50
    picked = [
        (cur_covariance(features, 10, s, zeta=4.0, weights=w) < 30).sum() for w in (None, weights) for s in range(20)
    ]
    assert sum(picked[20:]) > 1.5 * sum(picked[:20])


def test_blocks_draw_from_the_distribution_of_one_by_one() -> None:
    """How often each row is among three chosen, over many seeds, against the exact probabilities."""
    features = like_and_unlike(2, 3, 5, width=0.5)
    kernel = (features @ features.mT) ** 2

    def exact(rest: Tensor, steps: int, chance: float, taken: tuple[int, ...], out: Tensor) -> None:
        if not steps:
            out[list(taken)] += chance
            return
        own = rest.diagonal().clamp(min=0)
        for k in range(5):
            if k not in taken:
                column = rest[:, k] / rest[k, k].sqrt()
                share = float(own[k] / own.sum())
                exact(rest - column[:, None] * column, steps - 1, chance * share, (*taken, k), out)

    expected, found = torch.zeros(5, dtype=torch.float64), torch.zeros(5, dtype=torch.float64)
    exact(kernel, 3, 1.0, (), expected)
    for seed in range(1500):
        found[cur_covariance(features, 3, seed, zeta=2.0)] += 1 / 1500
    torch.testing.assert_close(found, expected, atol=0.04, rtol=0)


@pytest.mark.parametrize("zeta", [1.0, 2.5])
def test_rows_that_span_all_are_filled_up(zeta: float) -> None:
    features = torch.eye(4, dtype=torch.float64).repeat(5, 1)
    for method in ("cur_covariance", "cur_points"):
        chosen = select(features, 10, method, 3, zeta=zeta)
        assert len(set(chosen.tolist())) == 10 and set((chosen % 4).tolist()) == {0, 1, 2, 3}
