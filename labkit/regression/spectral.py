"""Gaussian-process regression for any noise at once: the eigenvectors of the training covariance are kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from labkit.errors import LabkitError

_FLOOR = 1e-15  # of the largest eigenvalue; below this, eigenvectors are rounding errors


@dataclass(frozen=True, eq=False)
class Posterior:
    """The posterior for one noise: f(x) = k(x)·weights, and var f(x) = size (k(x, x) - |k(x) root|²).

    weights       (M,)   of the basis functions
    basis, total  (M, r) and (r,), whose quotient is `root`
    size                 the scale of the prior that makes the targets most likely
    log_evidence         log p(y) with this scale
    """

    weights: Tensor
    basis: Tensor
    total: Tensor
    size: float
    log_evidence: float

    @cached_property
    def root(self) -> Tensor:
        """(M, r), computed on first use: the weights do not need it."""
        return self.basis / self.total.sqrt()


@dataclass(frozen=True, eq=False)
class Spectral:
    """The covariance U diag(values) Uᵀ of n training rows, and Z, which maps its eigenvectors to M basis functions.

    Every noise σ² then costs a few products: c = Z (values + σ²)⁻¹ Uᵀ y. Rows may have a factor (`scale`): that of
    their noise, inverted.

    values (r,), left U (n, r), basis Z (M, r), scale (n,)

    >>> kernel = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    >>> gp = Spectral.exact(kernel, torch.ones(2, dtype=torch.float64))
    >>> gp.solve(torch.tensor([1.0, 1.0], dtype=torch.float64), 0.5).weights  # (K + 0.5·2)⁻¹ y
    tensor([0.2500, 0.2500], dtype=torch.float64)
    """

    values: Tensor
    left: Tensor
    basis: Tensor
    scale: Tensor

    @classmethod
    def exact(cls, covariance: Tensor, scale: Tensor) -> Spectral:
        """From the covariance (n, n) of the rows, which are also the basis functions."""
        values, left = torch.linalg.eigh(scale[:, None] * covariance * scale)
        keep = values > _FLOOR * values[-1]
        left = left[:, keep]
        return cls(values[keep], left, scale[:, None] * left, scale)

    @classmethod
    def sparse(cls, rows: Tensor, lower: Tensor, scale: Tensor) -> Spectral:
        """From the covariance of rows with basis functions (n, M); `lower` L has L Lᵀ = that of basis functions."""
        white = torch.linalg.solve_triangular(lower, (scale[:, None] * rows).mT, upper=False).mT  # (n, M)
        if len(white) <= white.shape[1]:
            values, left = torch.linalg.eigh(white @ white.mT)
            keep = values > _FLOOR * values[-1]
            values, left = values[keep], left[:, keep]
            right = white.mT @ left
        else:
            values, vectors = torch.linalg.eigh(white.mT @ white)
            keep = values > _FLOOR * values[-1]
            values, vectors = values[keep], vectors[:, keep]
            left, right = white @ vectors / values.sqrt(), vectors * values.sqrt()
        return cls(values, left, torch.linalg.solve_triangular(lower.mT, right, upper=True), scale)

    @property
    def mean_variance(self) -> float:
        """Average prior variance of a row, to which noises are relative."""
        return float(self.values.sum()) / len(self.left)

    def solve(self, targets: Tensor, noise: float) -> Posterior:
        """The posterior for targets (n,) and a noise variance σ², relative to `mean_variance`.

        The scale of the prior is the most likely one, s = yᵀ(K + σ²)⁻¹y / n; the noise scales with it.
        Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 5.4.
        """
        n, sigma2 = len(self.left), self._variance(noise)
        y = self.scale * targets
        projected = self.left.mT @ y
        total = self.values + sigma2
        outside = max(float(y @ y - projected @ projected), 0.0) if len(total) < n else 0.0
        size = max((float((projected**2 / total).sum()) + outside / sigma2) / n, 1e-300)
        log_det = float(total.log().sum()) + (n - len(total)) * math.log(sigma2) - 2 * float(self.scale.log().sum())
        evidence = -0.5 * (n * (math.log(2 * math.pi * size) + 1) + log_det)
        return Posterior(self.basis @ (projected / total), self.basis, total, size, evidence)

    def leave_out(self, targets: Tensor, noise: float, groups: Sequence[Tensor]) -> Tensor:
        """Predictions (n,) for each group of rows (indices) by the posterior without it, without a refit.

        With M = (K + σ²)⁻¹ the residuals of a group g are M_gg⁻¹ (M y)_g.
        Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 5.4.2.
        """
        sigma2 = self._variance(noise)
        y = self.scale * targets
        bent = 1 / (self.values + sigma2) - 1 / sigma2  # M = U bent Uᵀ + 1/σ²
        pulled = self.left @ (bent * (self.left.mT @ y)) + y / sigma2
        residual = torch.empty_like(y)
        for rows in groups:
            mine = self.left[rows]
            inverse = (mine * bent) @ mine.mT + torch.eye(len(rows)).to(y) / sigma2
            residual[rows] = torch.linalg.solve(inverse, pulled[rows])
        return targets - residual / self.scale

    def _variance(self, noise: float) -> float:
        if not (noise > 0 and math.isfinite(noise)):
            raise LabkitError(f"regularization is {noise}; expected a positive number, such as 1e-6")
        return noise * self.mean_variance
