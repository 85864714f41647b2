"""Regression in eigenvectors against dense Gaussian-process algebra."""

import pytest
import torch

from labkit.errors import LabkitError
from labkit.regression import Spectral


def problem(n: int, columns: int):
    generator = torch.Generator().manual_seed(n)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    features, points = normal(n, 30), normal(columns, 30)
    return features @ points.T, points @ points.T, normal(n), normal(n).abs() + 0.5, features


@pytest.mark.parametrize("n", [8, 60])
@pytest.mark.parametrize("noise", [1e-4, 1e-1, 10.0])
def test_sparse_against_dense_algebra(n: int, noise: float) -> None:
    rows, prior, y, scale, _ = problem(n, 20)
    made = Spectral.sparse(rows, torch.linalg.cholesky(prior), scale)
    found = made.solve(y, noise)
    sigma2 = noise * made.mean_variance
    x, white = scale[:, None] * rows, scale * y
    expected = torch.linalg.solve(x.T @ x + sigma2 * prior, x.T @ white)
    torch.testing.assert_close(found.weights, expected, rtol=1e-7, atol=1e-9)
    check_rest(found, rows, rows @ torch.linalg.solve(prior, rows.T), y, scale, sigma2, prior)


@pytest.mark.parametrize("noise", [1e-4, 1e-1])
def test_exact_against_dense_algebra(noise: float) -> None:
    *_, y, scale, features = problem(25, 20)
    kernel = features @ features.T
    made = Spectral.exact(kernel, scale)
    found = made.solve(y, noise)
    sigma2 = noise * made.mean_variance
    covariance = kernel + torch.diag(sigma2 / scale**2)
    torch.testing.assert_close(found.weights, torch.linalg.solve(covariance, y), rtol=1e-7, atol=1e-9)
    check_rest(found, kernel, kernel, y, scale, sigma2, kernel)


def check_rest(found, rows, kernel, y, scale, sigma2, prior) -> None:
    """Evidence, and the variance that the data take away from that of the basis functions."""
    covariance = kernel + torch.diag(sigma2 / scale**2)
    assert found.size == pytest.approx(float(y @ torch.linalg.solve(covariance, y)) / len(y), rel=1e-6)
    marginal = torch.distributions.MultivariateNormal(torch.zeros_like(y), found.size * covariance)
    assert found.log_evidence == pytest.approx(float(marginal.log_prob(y)), rel=1e-6)
    cross = rows.T  # of basis functions with rows
    known = cross @ torch.linalg.solve(covariance, cross.T)
    root = prior @ found.root
    torch.testing.assert_close(root @ root.T, known, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("n", [12, 40])
def test_leaving_out_is_fitting_without(n: int) -> None:
    rows, prior, y, scale, _ = problem(n, 20)
    lower = torch.linalg.cholesky(prior)
    made = Spectral.sparse(rows, lower, scale)
    groups = [torch.arange(3), torch.arange(3, 8), torch.arange(8, n)]
    found = made.leave_out(y, 0.01, groups)
    for group in groups:
        rest = torch.tensor([k for k in range(n) if k not in group.tolist()])
        other = Spectral.sparse(rows[rest], lower, scale[rest])
        noise = 0.01 * made.mean_variance / other.mean_variance
        expected = rows[group] @ other.solve(y[rest], noise).weights
        torch.testing.assert_close(found[group], expected, rtol=1e-6, atol=1e-8)


def test_the_size_is_the_most_likely_one() -> None:
    rows, prior, y, scale, _ = problem(25, 20)
    made = Spectral.sparse(rows, torch.linalg.cholesky(prior), scale)
    with pytest.raises(LabkitError, match="expected a positive number"):
        made.solve(y, 0.0)
    doubled = made.solve(2 * y, 0.1)
    assert doubled.size == pytest.approx(4 * made.solve(y, 0.1).size)
