"""Build once, solve often: regularised least squares in blocks of rows whose noise can change afterwards."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from labkit.errors import LabkitError


class Block:
    """Rows that share one noise σ: X (rows, M), y (rows,), kept as the triangle R and z of their QR factorisation.

    |S⁻¹(X c - y)|² = |R c - z|² + rss for every c, so R (at most M × M) holds all information of the rows on c; S are
    fixed ratios of the rows' noises to σ. Rows are added in portions, which are reduced when there are enough or when
    the triangle is needed; until then only views of them are kept.
    """

    def __init__(self, columns: int) -> None:
        self.columns, self.rows, self.rss, self.log_scale = columns, 0, 0.0, 0.0
        self._triangle = torch.empty(0, columns + 1, dtype=torch.float64)
        self._waiting: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, rows: Tensor, targets: Tensor, scale: Tensor | None = None) -> None:
        """Add rows (k, M), their targets (k,) and the ratios of their noises to σ (k,), 1 if not given."""
        scale = torch.ones_like(targets) if scale is None else scale
        self._waiting.append((rows, targets, scale))
        self.rows += len(rows)
        self.log_scale += float(scale.log().sum())
        if sum(len(part[0]) for part in self._waiting) > self.columns:
            self._fold()

    def triangle(self) -> tuple[Tensor, Tensor]:
        """R (k, M) and z (k,), k at most M."""
        if self._waiting:
            self._fold()
        return self._triangle[:, :-1], self._triangle[:, -1]

    def misfit(self, weights: Tensor) -> float:
        """|S⁻¹(X c - y)|²."""
        r, z = self.triangle()
        return float((r @ weights - z).square().sum()) + self.rss

    def _fold(self) -> None:
        start = len(self._triangle)
        count = start + sum(len(part[0]) for part in self._waiting)
        stack = self._waiting[0][0].new_empty(count, self.columns + 1)
        stack[:start] = self._triangle
        for rows, targets, scale in self._waiting:
            end = start + len(rows)
            torch.div(rows, scale[:, None], out=stack[start:end, :-1])
            torch.div(targets, scale, out=stack[start:end, -1])
            start = end
        self._waiting = []
        if count > self.columns:
            stack = torch.linalg.qr(stack, mode="r").R
            self.rss += float(stack[self.columns :, -1].square().sum())  # the residual that no c can fit
            stack = stack[: self.columns].clone()
        self._triangle = stack


@dataclass(frozen=True, eq=False)
class Solution:
    """c that minimises Σ_b |X_b c - y_b|²/σ_b² + |Pᵀc|², and its posterior.

    weights       (M,)   c
    log_evidence         log p(y | σ) of y ~ N(0, X K⁻¹ Xᵀ + σ²)
    lower, root   (M, M) the factors of `factor`
    """

    weights: Tensor
    log_evidence: float
    lower: Tensor
    root: Tensor

    @cached_property
    def factor(self) -> Tensor:
        """Upper U with UᵀU = A = Σ_b X_bᵀX_b/σ_b² + K, the inverse covariance of c; costs more than the solution."""
        return self.lower.mT @ self.root


class BlockLeastSquares:
    """min_c Σ_b |X_b c - y_b|²/σ_b² + cᵀK c for any σ in milliseconds, once the blocks' triangles are known.

    `prior` is the upper P with PᵀP = K. The stack of all triangles at reference noises σ⁰ has the triangle R⁰; with
    T_b = R_b (R⁰)⁻¹ the normal matrix at other noises, G = Σ_b (1/σ_b²) T_bᵀT_b + T_PᵀT_P, is well conditioned as long
    as the σ⁰/σ spread little, and one Cholesky factorisation solves it with the stability of QR. Beyond three decades
    of (σ⁰/σ)² the reference is computed again.

    >>> block = Block(1); block.add(torch.ones(4, 1, dtype=torch.float64), torch.tensor([1., 2., 3., 2.]).double())
    >>> core = BlockLeastSquares(torch.ones(1, 1, dtype=torch.float64), {"y": block})
    >>> round(float(core.solve({"y": 1.0}).weights), 6)  # 8 / (4 + 1)
    1.6
    """

    spread = 1e3

    def __init__(self, prior: Tensor, blocks: dict[str, Block]) -> None:
        self.prior = prior
        self.blocks = {name: block for name, block in blocks.items() if block.rows}
        if not self.blocks:
            raise LabkitError("nothing to fit: no block has a row; give frames with labels")
        self._reference: dict[str, float] | None = None

    def solve(self, sigmas: dict[str, float]) -> Solution:
        """The solution for one noise per block (in the blocks' units); raises LabkitError unless all are positive."""
        for name in self.blocks:
            if not (sigmas[name] > 0 and math.isfinite(sigmas[name])):
                raise LabkitError(f"sigma of {name} is {sigmas[name]}; expected a positive number")
        if self._reference is None or not self._near(sigmas):
            self._whiten(sigmas)
        gram, right = self._prior_gram.clone(), 0.0
        for name in self.blocks:
            ratio = (self._reference[name] / sigmas[name]) ** 2
            gram.add_(self._grams[name], alpha=ratio)
            right = right + ratio * self._rights[name]
        lower = torch.linalg.cholesky(gram)
        whitened = torch.cholesky_solve(right[:, None], lower)
        weights = torch.linalg.solve_triangular(self._root, whitened, upper=True)[:, 0]
        return Solution(weights, self._evidence(weights, lower, sigmas), lower, self._root)

    def _near(self, sigmas: dict[str, float]) -> bool:
        ratios = [1.0] + [(self._reference[name] / sigmas[name]) ** 2 for name in self.blocks]
        return max(ratios) / min(ratios) <= self.spread

    def _whiten(self, sigmas: dict[str, float]) -> None:
        triangles = {name: block.triangle() for name, block in self.blocks.items()}
        self._root = self.prior
        for name, (r, _) in triangles.items():  # one after another: half the memory of one tall stack
            self._root = torch.linalg.qr(torch.cat([self._root, r / sigmas[name]]), mode="r").R
        self._reference = {name: float(sigmas[name]) for name in self.blocks}
        self._grams, self._rights = {}, {}
        for name, (r, z) in triangles.items():
            white = self._divide(r / sigmas[name])
            self._grams[name] = white.mT @ white
            self._rights[name] = white.mT @ (z / sigmas[name])
        white = self._divide(self.prior)
        self._prior_gram = white.mT @ white

    def _divide(self, matrix: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self._root, matrix, upper=True, left=False)

    def _evidence(self, weights: Tensor, lower: Tensor, sigmas: dict[str, float]) -> float:
        """-(χ² + log|A| - log|K| + Σ_b n_b log σ_b² + n log 2π)/2 (the determinant lemma)."""
        chi = float((self.prior @ weights).square().sum())
        rows, noise = 0, 0.0
        for name, block in self.blocks.items():
            chi += block.misfit(weights) / sigmas[name] ** 2
            noise += 2 * (block.rows * math.log(sigmas[name]) + block.log_scale)
            rows += block.rows
        log_a = 2 * float(lower.diagonal().log().sum() + self._root.diagonal().abs().log().sum())
        log_k = 2 * float(self.prior.diagonal().abs().log().sum())
        return -0.5 * (chi + log_a - log_k + noise + rows * math.log(2 * math.pi))
