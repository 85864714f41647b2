"""Limits of the density expansion: what its quadrature resolves, and what fits in memory."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from labkit.errors import LabkitError

N_MAX = 160  # points of the quadrature
L_MAX = 50
CUTOFF = 100.0  # Å
SIGMA = 1e-3, 100.0  # Å
FEATURES = 10_000_000  # products of channels for each atom


def check_expansion(
    n_max: Any, l_max: Any, cutoff: Any, atom_sigma: Any, cutoff_transition_width: Any, species: int = 1
) -> None:
    """Raise LabkitError, naming the setting, for a density expansion that cannot be made.

    >>> check_expansion(8, 10**11, 4.0, 0.3, 0.5)
    Traceback (most recent call last):
    labkit.errors.LabkitError: l_max is 100000000000, expected a whole number from 0 to 50
    """
    for name, value, low, high in (("n_max", n_max, 1, N_MAX), ("l_max", l_max, 0, L_MAX)):
        if isinstance(value, bool) or not isinstance(value, Integral) or not low <= value <= high:
            raise LabkitError(f"{name} is {_shown(value)}, expected a whole number from {low} to {high}")
    for name, value, low, high in (
        ("cutoff", cutoff, SIGMA[0], CUTOFF),
        ("atom_sigma", atom_sigma, *SIGMA),
        ("cutoff_transition_width", cutoff_transition_width, 0.0, cutoff),
    ):
        if not is_number(value) or not low <= value <= high:
            raise LabkitError(f"{name} is {_shown(value)}, expected a number of Å from {low:g} to {high:g}")
    if (features := (species * n_max) ** 2 * (l_max + 1)) > FEATURES:
        raise LabkitError(
            f"n_max = {n_max} and l_max = {l_max} with {species} species are {features:.0e} "
            f"features for each atom; at most {FEATURES:.0e} fit in memory: use smaller ones"
        )


def is_number(value: Any) -> bool:
    """Whether a setting is a finite number, and not a flag or text."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
