"""Least squares to which rows are added one after another, for noises that stay."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.errors import LabkitError


@dataclass(frozen=True, eq=False)
class SequentialSolution:
    """c that minimises |X c - y|² + cᵀK c, with rows divided by their noise.

    weights       (M,)   c
    factor        (M, M) upper U with UᵀU = XᵀX + K, the inverse covariance of c
    log_evidence         log p(y), but for the noises: log_evidence - Σ log σ is complete
    """

    weights: Tensor
    factor: Tensor
    log_evidence: float


class SequentialLeastSquares:
    """min_c |X c - y|² + cᵀK c for rows X (k, M) that arrive in portions, and several targets Y (k, T).

    The triangle of the QR factorisation of (P 0; X Y), PᵀP = K, is all that is kept: a row costs (M + T)² operations,
    however many came before. Rows wait until there are M + T of them; a solution reduces those that wait in a copy. So
    it depends on the rows and their order alone, not on when others were asked for.

    prior    (M, M) upper P
    targets  T, how many columns Y has

    >>> fit = SequentialLeastSquares(torch.ones(1, 1, dtype=torch.float64))
    >>> fit.add(torch.ones(4, 1, dtype=torch.float64), torch.tensor([[1.], [2.], [3.], [2.]]).double())
    >>> round(float(fit.solve().weights), 6)  # 8 / (4 + 1)
    1.6
    """

    def __init__(self, prior: Tensor, targets: int = 1) -> None:
        self.columns, self.targets, self.rows = len(prior), targets, 0
        self._log_k = 2 * float(prior.diagonal().abs().log().sum())
        self._triangle = torch.cat([prior, prior.new_zeros(len(prior), targets)], 1)
        self._waiting: list[Tensor] = []
        self._count = 0

    def add(self, rows: Tensor, targets: Tensor) -> None:
        """Add rows (k, M) and targets (k, T), both divided by the noise of their row."""
        if rows.shape[1] != self.columns or tuple(targets.shape) != (len(rows), self.targets):
            raise LabkitError(
                f"rows {tuple(rows.shape)} and targets {tuple(targets.shape)}; expected (k, {self.columns}) and "
                f"(k, {self.targets})"
            )
        width = self.columns + self.targets
        new = torch.cat([rows, targets], 1)
        self.rows += len(new)
        while len(new):  # in portions of the same size, however they arrive
            part, new = new[: width - self._count], new[width - self._count :]
            self._waiting.append(part)
            self._count += len(part)
            if self._count == width:
                self._triangle, self._waiting, self._count = self._reduced(), [], 0

    def solve(self, combination: Tensor | None = None) -> SequentialSolution:
        """The solution for y = Y v with the combination v (T,); that of the first target if it is not given."""
        if not self.rows:
            raise LabkitError("nothing to fit: no row has been added; give frames with labels")
        whole, m = self._reduced(), self.columns
        if combination is None:
            combination = torch.eye(self.targets, dtype=whole.dtype)[0]
        v = combination.to(whole)
        factor = whole[:m, :m].contiguous()
        weights = torch.linalg.solve_triangular(factor, (whole[:m, m:] @ v)[:, None], upper=True)[:, 0]
        chi = float((whole[m:, m:] @ v).square().sum())  # |X c - y|² + cᵀK c at its minimum
        log_a = 2 * float(factor.diagonal().abs().log().sum())
        evidence = -0.5 * (chi + log_a - self._log_k + self.rows * math.log(2 * math.pi))
        return SequentialSolution(weights, factor, evidence)

    def _reduced(self) -> Tensor:
        return (
            torch.linalg.qr(torch.cat([self._triangle, *self._waiting]), mode="r").R
            if self._waiting
            else self._triangle
        )
