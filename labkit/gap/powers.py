"""Powers of similarities."""

from __future__ import annotations

import torch
from torch import Tensor


def raised(base: Tensor, exponent: float) -> Tensor:
    """base**exponent; integer exponents by multiplication, which keeps signs and is faster."""
    if exponent != int(exponent):
        return base.clamp(min=0.0) ** exponent
    exponent = int(exponent)
    if exponent == 0:
        return torch.ones_like(base)
    square = base
    result = None
    while exponent:
        if exponent & 1:
            result = square if result is None else result * square
        exponent >>= 1
        if exponent:
            square = square * square
    return result
