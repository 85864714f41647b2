"""Rescalings: functions that bring sigmas, or scores, to the size of the errors of labelled frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from labkit.active.calibration.measures.arrays import checked, checked_labels
from labkit.errors import LabkitError

ZERO = 1e-12  # errors and sigmas up to here are rounding, as of forces that vanish by symmetry
FEWEST = 20  # errors that a factor is taken from: it is then known to a sixth or better


@runtime_checkable
class Rescaling(Protocol):
    """A growing function σ -> σ' that was fitted to errors; σ may be a score of any unit, σ' has that of the errors.

    Fitted by `fit(errors, sigmas, species)` as the normal distributions N(0, σ'²) that make the errors most likely.
    """

    @classmethod
    def fit(cls, errors: Any, sigmas: Any, species: Any = None) -> Self: ...

    def apply(self, sigmas: Tensor, kinds: Mapping[str, Tensor] | None = None) -> Tensor:
        """σ' (n,) of σ (n,), which can be differentiated; kinds are the rows of each species, as in System.of_kinds."""
        ...


@dataclass(frozen=True)
class OneFactor:
    """σ' = a σ with a² = mean(e²/σ²).

    >>> OneFactor.fit([0.2, -0.2] * 10, [0.1, 0.1] * 10)
    OneFactor(factor=2.0)
    """

    factor: float

    @classmethod
    def fit(cls, errors: Any, sigmas: Any, species: Any = None) -> OneFactor:
        return cls(_factor(*checked(errors, sigmas, FEWEST), "all atoms"))

    def apply(self, sigmas: Tensor, kinds: Mapping[str, Tensor] | None = None) -> Tensor:
        return self.factor * sigmas


@dataclass(frozen=True)
class FactorOfSpecies:
    """σ' = a_z σ with a factor for each species z, as `OneFactor` of its errors alone; {species: a_z}.

    >>> found = FactorOfSpecies.fit([0.2, 0.1] * 20, [0.1, 0.1] * 20, ["O", "H"] * 20)
    >>> found.factors
    {'H': 1.0, 'O': 2.0}
    """

    factors: dict[str, float]

    @classmethod
    def fit(cls, errors: Any, sigmas: Any, species: Any = None) -> FactorOfSpecies:
        if species is None:
            raise LabkitError("a factor for each species needs the species of each error")
        e, s = checked(errors, sigmas, FEWEST)
        labels = checked_labels(species, len(e), "species")
        factors = {}
        for kind in np.unique(labels):
            mine = labels == kind
            if mine.sum() < FEWEST:
                raise LabkitError(
                    f"too few frames: {mine.sum()} errors of {kind}; expected {FEWEST} or more of each species, or "
                    "one factor for all"
                )
            factors[str(kind)] = _factor(e[mine], s[mine], f"{kind}")
        return cls(factors)

    def apply(self, sigmas: Tensor, kinds: Mapping[str, Tensor] | None = None) -> Tensor:
        rows = {} if kinds is None else kinds
        if sum(map(len, rows.values())) != len(sigmas):
            raise LabkitError(f"{len(sigmas)} sigmas; expected the species of each, as their factors differ")
        factor = torch.empty_like(sigmas)
        for kind, atoms in rows.items():
            if kind not in self.factors:
                raise LabkitError(
                    f"atom {int(atoms[0])}: {kind} was not calibrated, only {', '.join(self.factors)}; calibrate with "
                    f"frames that contain {kind}"
                )
            factor[atoms] = self.factors[kind]
        return sigmas * factor


def _factor(e: np.ndarray, s: np.ndarray, whose: str) -> float:
    """√mean(e²/σ²); pairs of zeros say nothing."""
    wrong = (s <= ZERO) & (e > ZERO)
    if wrong.any():
        raise LabkitError(
            f"{wrong.sum()} of {len(s)} sigmas of {whose} are 0 where the error is not, so that no factor is large "
            "enough; an isotonic rescaling can raise them"
        )
    if not e.any():
        raise LabkitError(f"all errors of {whose} are 0; calibrate on frames that the potential was not trained on")
    known = s > ZERO
    return float(np.sqrt(np.mean((e[known] / s[known]) ** 2)))
