"""Negative log-likelihoods of errors, for losses."""

from __future__ import annotations

import torch
from torch import Tensor

FLOOR = 1e-8  # added to variances, in units of the potential's scale: errors below 10⁻⁴ of it are not distinguished
BETA = 0.5  # 0: the plain likelihood, in which uncertain data hardly count and are not learned; 1: least squares


def gaussian(errors: Tensor, variances: Tensor, beta: float = BETA) -> Tensor:
    """The mean of s^2β ½ (e²/s² + ln s²) over the errors that are not NaN; 0 if there are none.

    The first factor is not differentiated. Source: Seitzer, Tavakoli, Antic, Martius, ICLR 2022, arXiv:2203.09168.

    >>> gaussian(torch.tensor([1.0, float("nan")]), torch.tensor([1.0, 1.0]))
    tensor(0.5000)
    """
    known = torch.isfinite(errors)
    if not bool(known.any()):
        return errors.new_zeros(())
    errors, variances = errors[known], variances.expand_as(known)[known] + FLOOR
    return 0.5 * ((errors.square() / variances + variances.log()) * variances.detach() ** beta).mean()


def mean_square(errors: Tensor) -> Tensor:
    """The mean square of the errors that are not NaN; 0 if there are none."""
    known = torch.isfinite(errors)
    return errors[known].square().mean() if bool(known.any()) else errors.new_zeros(())
