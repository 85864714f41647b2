"""Block least squares against dense Gaussian-process algebra."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabkitError
from labkit.regression import Block, BlockLeastSquares


def problem(seed: int, columns: int = 12, sizes: tuple[int, int] = (5, 70)):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    root = normal(columns, columns)
    covariance = root @ root.T / columns + 1e-3 * torch.eye(columns, dtype=torch.float64)
    rows = {name: normal(size, columns) for name, size in zip(("energy", "forces"), sizes, strict=True)}
    targets = {name: normal(len(x)) for name, x in rows.items()}
    scales = {name: normal(len(x)).abs() + 0.3 for name, x in rows.items()}
    return covariance, rows, targets, scales


def core(covariance, rows, targets, scales, portions: int = 1) -> BlockLeastSquares:
    blocks = {}
    for name, x in rows.items():
        blocks[name] = Block(x.shape[1])
        for part in torch.arange(len(x)).tensor_split(portions):
            blocks[name].add(x[part], targets[name][part], scales[name][part])
    return BlockLeastSquares(torch.linalg.cholesky(covariance).mT, blocks)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(-2, 2), st.floats(-2, 2), st.integers(1, 9))
def test_weights_and_evidence_against_dense_algebra(seed: int, a: float, b: float, portions: int) -> None:
    covariance, rows, targets, scales = problem(seed)
    sigmas = {"energy": 10.0**a, "forces": 10.0**b}
    solver = core(covariance, rows, targets, scales, portions)
    solver.solve({"energy": 1.0, "forces": 1.0})  # the reference is made elsewhere
    solution = solver.solve(sigmas)
    x = torch.cat(list(rows.values()))
    y = torch.cat(list(targets.values()))
    noise = torch.cat([scales[name] * sigmas[name] for name in rows])
    normal = x.T @ (x / noise[:, None] ** 2) + covariance
    expected = torch.linalg.solve(normal, x.T @ (y / noise**2))
    torch.testing.assert_close(solution.weights, expected, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(solution.factor.T @ solution.factor, normal, rtol=1e-8, atol=1e-8)
    marginal = x @ torch.linalg.solve(covariance, x.T) + torch.diag(noise**2)
    density = torch.distributions.MultivariateNormal(torch.zeros_like(y), marginal)
    assert solution.log_evidence == pytest.approx(float(density.log_prob(y)), rel=1e-5, abs=1e-4)


def test_stays_stable_where_normal_equations_do_not() -> None:
    """Columns nearly alike, as kernels of near environments: QR keeps half the digits that XᵀX loses."""
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(300, 3, generator=generator, dtype=torch.float64)
    x = torch.cat([base + 1e-7 * torch.randn(300, 3, generator=generator, dtype=torch.float64) for _ in range(4)], 1)
    truth = torch.randn(12, generator=generator, dtype=torch.float64)
    block = Block(12)
    block.add(x, x @ truth)
    prior = 1e-9 * torch.eye(12, dtype=torch.float64)
    found = BlockLeastSquares(prior, {"y": block}).solve({"y": 1.0}).weights
    exact = torch.linalg.lstsq(
        torch.cat([x, prior]), torch.cat([x @ truth, torch.zeros(12, dtype=torch.float64)])
    ).solution
    assert float((x @ (found - exact)).norm() / (x @ exact).norm()) < 1e-9
    assert float((found - exact).norm() / exact.norm()) < 1e-3


def test_errors_in_words() -> None:
    covariance, rows, targets, scales = problem(1)
    with pytest.raises(LabkitError, match="sigma of forces is 0"):
        core(covariance, rows, targets, scales).solve({"energy": 1.0, "forces": 0.0})
    with pytest.raises(LabkitError, match="nothing to fit"):
        BlockLeastSquares(torch.eye(2).double(), {"energy": Block(2)})


def test_selection_methods() -> None:
    from labkit.regression import select

    rng = np.random.default_rng(0)
    clusters = torch.as_tensor(np.repeat(rng.normal(size=(5, 8)), 40, 0) + 0.01 * rng.normal(size=(200, 8)))
    assert len({int(k) // 40 for k in select(clusters, 5, "fps")}) == 5  # one of each cluster
    for method in ("random", "fps", "cur_points"):
        chosen = select(clusters, 20, method, seed=3)
        assert len(set(chosen.tolist())) == 20
        assert torch.equal(chosen, select(clusters, 20, method, seed=3))
    with pytest.raises(LabkitError, match="did you mean 'random'"):
        select(clusters, 5, "randon")
    with pytest.raises(LabkitError, match="only 200"):
        select(clusters, 201)
