"""Forces on beads: the map is right for the exact mean force of a chain of springs, and of the least noise."""

from __future__ import annotations

import pytest
import torch

from labkit.engine import Constraints
from labkit.errors import LabkitError
from labkit.folding import beads_at, optimal_force_map, tied_atoms

TIES = Constraints(torch.tensor([[0, 1], [1, 2], [4, 5]]), torch.tensor([1.0, 1.0, 1.0]))


def test_tied_atoms_are_connected_components() -> None:
    ties = tied_atoms(7, TIES)
    assert ties.shape == (7, 4) and ties.sum(1).eq(1).all()
    together = ties @ ties.T
    assert together[0, 2] == 1 and together[4, 5] == 1 and together[0, 3] == 0 and together[5, 6] == 0


def test_the_map_is_right_and_least() -> None:
    random = torch.Generator().manual_seed(0)
    mixing = torch.randn(7, 7, generator=random, dtype=torch.float64)
    forces = torch.einsum("ij,fjk->fik", mixing, torch.randn(500, 7, 3, generator=random, dtype=torch.float64))
    mapping = beads_at([1, 4], 7)
    best = optimal_force_map(forces, mapping, TIES, ridge=1e-9)
    torch.testing.assert_close(mapping @ best.T, torch.eye(2, dtype=torch.float64))
    torch.testing.assert_close(best[:, [0, 1]], best[:, [1, 2]])
    torch.testing.assert_close(best[:, 4], best[:, 5])

    def noise(b):
        return torch.einsum("mn,fnk->fmk", b, forces).square().sum()

    ties = tied_atoms(7, TIES)
    free = torch.linalg.svd(mapping @ ties).Vh[2:]  # changes that leave the map right
    for _ in range(20):
        change = torch.randn(2, 2, generator=random, dtype=torch.float64) @ free @ ties.T
        assert noise(best + 0.1 * change) > noise(best)


def test_mean_forces_of_springs() -> None:
    """Two beads and an atom between them that is integrated out: k/2 between the beads, whatever the map."""
    random, k, beta = torch.Generator().manual_seed(1), 2.0, 4.0
    ends = torch.tensor([[0.0, 0, 0], [0, 0, 3.0]]).double()
    middle = ends.mean(0) + torch.randn(40_000, 3, generator=random, dtype=torch.float64) / (2 * k * beta) ** 0.5
    left, right = k * (middle - ends[0]), k * (middle - ends[1])
    forces = torch.stack([left, -left - right, right], 1)
    mapping = beads_at([0, 2], 3)
    best = optimal_force_map(forces, mapping)
    exact = 0.5 * k * (ends[1] - ends[0])
    for b in (best, mapping):
        mapped = torch.einsum("mn,fnk->fmk", b, forces)
        error = mapped.std(0) / len(forces) ** 0.5
        assert bool(((mapped.mean(0) - torch.stack([exact, -exact])).abs() <= 4 * error + 1e-9).all())
    assert best[0, 1] == pytest.approx(0.5, abs=0.02)  # the force on the atom between is shared


def test_beads_that_share_tied_atoms_are_refused() -> None:
    with pytest.raises(LabkitError, match="no map of forces is unbiased"):
        optimal_force_map(torch.randn(10, 7, 3), beads_at([0, 2], 7), TIES)
