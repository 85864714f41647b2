"""Errors and sigmas of several uncertainties on held-out frames, and the halves that calibrate and judge them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
import torch

from labkit.active.calibration.rescaling import Rescaling
from labkit.active.calibration.samples import Samples
from labkit.active.kinds import of_kind
from labkit.base import NO_PROGRESS, Potential, Progress
from labkit.datasets import Dataset
from labkit.errors import LabkitError

By = Literal["trajectory", "random"]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Samples of the validation frames and, if there are any, of the test frames."""

    valid: Samples
    test: Samples | None = None


def held_out(
    potentials: Mapping[str, Potential],
    kinds: Mapping[str, tuple[str, str]],
    train: Dataset,
    valid: Dataset,
    test: Dataset | None = None,
    *,
    found: Mapping[str, HeldOut] | None = None,
    progress: Progress = NO_PROGRESS,
) -> Iterator[dict[str, HeldOut]]:
    """Evaluate kinds of uncertainty one after the other; yields all that are known so far.

    kinds  label -> (name of the potential, kind of uncertainty), those in `found` are kept

    >>> import labkit
    >>> from labkit.gap import Design, GapConfig, Soap
    >>> train, valid = labkit.datasets.ice("train", n=50)[:4], labkit.datasets.ice("valid")[:2]
    >>> gap = Design.build(train, GapConfig(Soap(n_max=3, l_max=2, n_sparse=20))).solve()
    >>> *_, last = held_out({"GAP": gap}, {"σ": ("GAP", "GP variance")}, train, valid)
    >>> last["σ"].valid.errors.shape
    (24,)
    """
    known = dict(found or {})
    left = [label for label in kinds if label not in known]
    for k, label in enumerate(left):
        whose, kind = kinds[label]
        potential = potentials[whose]
        uncertainty = of_kind(potential, kind, train)
        samples = [None if frames is None else Samples.of(uncertainty, potential, frames) for frames in (valid, test)]
        known = known | {label: HeldOut(*samples)}
        progress.update(k + 1, len(left))
        yield known


def halves(samples: Samples, by: By = "trajectory", seed: int = 0) -> tuple[Samples, Samples]:
    """Two halves with no frame in common, by whole trajectories or by single frames, drawn at random.

    Frames of one trajectory are alike: halves of single frames make every calibration look better than it is. Raises
    LabkitError if there is one trajectory, or one frame, only.

    >>> import labkit
    >>> from labkit.active import NearestEnvironments
    >>> from labkit.neural import untrained
    >>> train, valid = labkit.datasets.ice("train", n=50)[:4], labkit.datasets.ice("valid")
    >>> potential = untrained(train, channels=8)
    >>> one, other = halves(Samples.of(NearestEnvironments(potential, train), potential, valid))
    >>> len(set(one.run)), len(set(other.run)), set(one.run) & set(other.run)
    (2, 2, set())
    """
    if by not in ("trajectory", "random"):
        raise LabkitError(f"halves by {by!r}; expected 'trajectory' or 'random'")
    labels = samples.run if by == "trajectory" else samples.frame
    names = np.unique(labels)
    if len(names) < 2:
        hint = (
            "take halves at random, or give frames of more trajectories" if by == "trajectory" else "give more frames"
        )
        raise LabkitError(f"the frames are of one {'trajectory' if by == 'trajectory' else 'frame'} only; {hint}")
    first = np.random.default_rng(seed).permutation(names)[: len(names) // 2]
    mine = np.isin(labels, first)
    return of_rows(samples, mine), of_rows(samples, ~mine)


def of_rows(samples: Samples, rows: np.ndarray) -> Samples:
    """Those of the samples that a mask, or numbers, name."""
    arrays = {f.name: value[rows] for f in fields(samples) if isinstance(value := getattr(samples, f.name), np.ndarray)}
    return replace(samples, **arrays)


def rescaled(samples: Samples, rescaling: Rescaling) -> Samples:
    """The samples with σ' = rescaling(σ), in eV/Å.

    >>> from labkit.active.calibration.rescaling import OneFactor
    >>> one = Samples(np.ones(2), np.ones(2), np.arange(2), np.full(2, ""), np.array(["O", "H"]), "", 3)
    >>> rescaled(one, OneFactor(3.0)).sigmas.tolist(), rescaled(one, OneFactor(3.0)).unit
    ([3.0, 3.0], 'eV/Å')
    """
    kinds = {str(z): torch.from_numpy(np.flatnonzero(samples.species == z)) for z in np.unique(samples.species)}
    sigmas = rescaling.apply(torch.from_numpy(samples.sigmas.copy()), kinds).numpy()
    return replace(samples, sigmas=sigmas, unit="eV/Å")
