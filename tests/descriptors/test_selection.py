"""Selection of features: independent of rotation and repeated runs, and better than any other choice."""

import pytest
import torch

from labkit.descriptors import select_features
from labkit.errors import LabkitError


def samples() -> torch.Tensor:
    """50 samples of 40 features that are noisy copies of 5."""
    generator = torch.Generator().manual_seed(0)
    few = torch.randn(50, 3, 5, generator=generator, dtype=torch.float64)
    return few.repeat(1, 1, 8) + 0.01 * torch.randn(50, 3, 40, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("method", ["fps", "cur"])
def test_one_of_each_kind_and_the_same_each_time(method: str) -> None:
    chosen = select_features(samples(), 5, method)
    assert {int(k) % 5 for k in chosen} == set(range(5))
    assert chosen.tolist() == sorted(set(chosen.tolist())) == select_features(samples(), 5, method).tolist()
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double()).Q
    assert select_features(turn @ samples(), 5, method).tolist() == chosen.tolist()


@pytest.mark.parametrize("method", ["fps", "cur"])
def test_all_and_copies(method: str) -> None:
    twice = torch.eye(3, dtype=torch.float64).repeat(1, 2)
    assert select_features(twice, 6, method).tolist() == list(range(6))


def test_cur_loses_little_more_than_the_best_space_of_its_size() -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(60, 8, generator=generator, dtype=torch.float64) @ torch.randn(8, 40, generator=generator).double()
    x = x * torch.logspace(-3, 0, 40).double()

    def lost(chosen: torch.Tensor) -> float:
        part = x[:, chosen]
        return float((x - part @ torch.linalg.lstsq(part, x).solution).norm())

    best = float(torch.linalg.svdvals(x)[6:].norm())
    assert lost(select_features(x, 6, "cur")) < 3 * best
    assert lost(torch.arange(6)) > 3 * best


def test_errors() -> None:
    with pytest.raises(LabkitError, match="41 features were requested, but there are only 40"):
        select_features(samples(), 41)
    with pytest.raises(LabkitError, match="did you mean 'cur'"):
        select_features(samples(), 4, "curr")
