"""Series of tensors, checked and brought to one form."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.errors import LabkitError
from labkit.spectra.spectrum import Spectrum
from labkit.spectra.transform import density


def members_first(values: Any, rank: int, name: str) -> np.ndarray:
    """(T, ...), (T, R, ...) or (M, T, R, ...) of tensors of a rank as (M, T, R, 3**rank).

    Raises LabkitError for the wrong shape and, naming sample and trajectory, for values that are not finite.
    """
    array = np.asarray(values, dtype=float)
    plain = array.ndim - rank
    shape = "".join([", 3"] * rank)
    if plain not in (1, 2, 3) or array.shape[plain:] != (3,) * rank:
        raise LabkitError(
            f"{name} has the shape {array.shape}; expected (T{shape}) of one trajectory, (T, R{shape}) of R, or "
            f"(M, T, R{shape}) of a committee of M models"
        )
    if plain == 1:
        array = array[None, :, None]
    elif plain == 2:
        array = array[None]
    array = array.reshape(*array.shape[:3], -1)
    lost = np.argwhere(~np.isfinite(array))
    if len(lost):
        _, sample, trajectory, _ = lost[0]
        raise LabkitError(
            f"{name}: sample {sample} of trajectory {trajectory} is not finite; leave out what follows it, and check "
            "whether the dynamics or the model failed there"
        )
    return array


def spectrum(values: np.ndarray, spacing: float, name: str, unit: str, **options: Any) -> Spectrum:
    """The density of (M, T, R, C), summed over C: of the mean of the models, and of each of them."""
    count, samples, trajectories, components = values.shape

    def of(series: np.ndarray) -> Any:
        group = np.repeat(np.arange(trajectories), components)
        found = density(series.reshape(samples, -1), group, spacing, **options)
        return found._replace(values=found.values.reshape(-1, len(found.frequency)))

    mean = of(values.mean(0))
    members = np.stack([of(member).values.mean(0) for member in values]) if count > 1 else None
    return Spectrum(name, unit, mean.frequency, mean.values, members, mean.resolution)


def scaled(found: Spectrum, factor: np.ndarray | float, unit: str | None = None) -> Spectrum:
    """A spectrum times a number or a function of the frequency (K,)."""
    members = None if found.members is None else found.members * factor
    return Spectrum(found.name, unit or found.unit, found.frequency, found.samples * factor, members, found.resolution)
