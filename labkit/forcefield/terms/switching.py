"""For Lennard-Jones pairs: the root of ε, the switch, and the energy beyond the cutoff."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from labkit.errors import LabkitError


def root(epsilon: Tensor) -> Tensor:
    """sqrt(ε), with a finite gradient also where ε is 0."""
    here = epsilon > 0
    return torch.where(here, epsilon, 1.0).sqrt() * here


def switching(r: Tensor, start: float, end: float) -> Tensor:
    """S(r), 1 before `start`, 0 at `end`, with two continuous derivatives."""
    x = ((r - start) / (end - start)).clamp(min=0)
    return 1 - x**3 * (10 + x * (6 * x - 15))


def beyond(a: Tensor, b: Tensor, count: Tensor, switch: float | None, cutoff: float) -> Tensor:
    """V times the energy that a uniform fluid has beyond switch and cutoff, (S,) eV Å³, of pairs with A/r^12 - B/r^6.

    a, b (K, K) eV Å^12 and eV Å^6; count (S, K), the atoms of each kind
    """
    pairs = 0.5 * (count[:, :, None] * count[:, None] + torch.diag_embed(count))
    mean = (pairs * _integral(a, b, switch, cutoff)).sum((1, 2)) / pairs.sum((1, 2))
    return 2 * torch.pi * count.sum(1) ** 2 * mean


def _integral(a: Tensor, b: Tensor, switch: float | None, cutoff: float) -> Tensor:
    """∫ (1 - S) u r² dr: exact beyond the cutoff, 64 points of Gauss and Legendre between switch and cutoff."""
    total = a / (9 * cutoff**9) - b / (3 * cutoff**3)
    if switch is None:
        return total
    x, w = (a.new_tensor(part) for part in np.polynomial.legendre.leggauss(64))
    r = 0.5 * (switch + cutoff) + 0.5 * (cutoff - switch) * x
    weight = 0.5 * (cutoff - switch) * w * (1 - switching(r, switch, cutoff)) * r**2
    return total + a * (weight / r**12).sum() - b * (weight / r**6).sum()


def check_switch(name: str, switch: float | None, cutoff: float | None, long_range_correction: bool) -> None:
    """Raise LabkitError for a switch that is not below the cutoff, and for a correction without a cutoff."""
    if switch is not None and not (cutoff is not None and 0 <= switch < cutoff):
        raise LabkitError(f"{name}: switch at {switch} Å, expected a number below the cutoff of {cutoff} Å")
    if long_range_correction and cutoff is None:
        raise LabkitError(f"{name}: a long-range correction needs a cutoff")
