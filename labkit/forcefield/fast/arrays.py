"""Parameters of terms as arrays for kernels."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def array_of(values: Tensor) -> np.ndarray:
    """The values row by row in memory, real numbers in float64.

    For another order in memory numba compiles a kernel again, and the last digits of the two versions may differ.

    >>> import torch
    >>> array_of(torch.ones(2, 3).T).flags.c_contiguous
    True
    """
    values = values.detach()
    return (values.double() if values.is_floating_point() else values).contiguous().numpy()
