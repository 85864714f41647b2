"""What observers find in a checkpoint, checked before they continue with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from labkit.errors import LabkitError


def whole(position: Mapping[str, Any], name: str, least: int = 0, most: int = 2**62) -> int:
    """A whole number; raises LabkitError for anything else."""
    value = position[name]
    if type(value) is not int or not least <= value <= most:
        raise LabkitError(f"{name} of an observer is {value!r:.40}, expected a whole number from {least}")
    return value


def step_of(position: Mapping[str, Any]) -> int | None:
    """The step of an observer's last look, or None before the first."""
    return None if position["step"] is None else whole(position, "step")


def tensor(
    position: Mapping[str, Any], name: str, *shape: int, dtype: torch.dtype = torch.float64, device: Any = None
) -> Tensor:
    """A tensor of this shape and dtype; raises LabkitError for any other."""
    value = position.get(name)
    if not isinstance(value, Tensor) or tuple(value.shape) != shape or value.dtype != dtype:
        found = f"{tuple(value.shape)} of {value.dtype}" if isinstance(value, Tensor) else f"{value!r:.40}"
        raise LabkitError(f"{name} of an observer is {found}, expected {shape} of {dtype}")
    return value if device is None else value.to(device)
