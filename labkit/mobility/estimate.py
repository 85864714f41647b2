"""Estimates of a mobility with error bars, from particles that are pushed or only observed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from labkit.errors import LabkitError
from labkit.mobility.data import Active, Passive, check_shape
from labkit.mobility.trajectories import continuous
from labkit.units import KB


@dataclass(frozen=True, eq=False)
class Estimate:
    """Numbers and their standard errors (one each), with the number of independent samples."""

    value: Tensor
    error: Tensor
    samples: int


def active(data: Active) -> Estimate:
    """M (3n, 3n) of particles that are pushed at one configuration: least squares of <V> = M F.

    Errors from the residuals. Raises LabkitError if the forces do not reach all 3n directions.
    """
    f, v = data.forces.flatten(1), data.velocities.flatten(1)
    samples, size = f.shape
    rank = int(torch.linalg.matrix_rank(f))
    if rank < size or samples <= size:
        raise LabkitError(
            f"active estimate: {samples} samples of forces span {rank} of {size} directions; push in random "
            f"directions, at least {size + 1} times"
        )
    inverse = torch.linalg.inv(f.mT @ f)
    m = v.mT @ f @ inverse
    variance = (v - f @ m.mT).square().sum(0) / (samples - size)
    return Estimate(m, (variance[:, None] * inverse.diagonal()).sqrt(), samples)


def passive(data: Passive) -> Estimate:
    """M (3n, 3n) of particles observed at one configuration: the mean of Δ Δᵀ/(2 k_B T τ), and its standard error.

    Correct to first order in the lag: within it particles should move less than the distance over which M changes.
    """
    d = data.displacements.flatten(1)
    samples = enough(len(d))
    each = d[:, :, None] * d[:, None, :] / (2 * KB * data.temperature * data.lag)
    return Estimate(each.mean(0), each.std(0) / samples**0.5, samples)


def pair_active(data: Active) -> Estimate:
    """For two equal particles: μ, and the coupling of one to the other along r̂ and across it; (3,) Å²/(eV fs).

    The pair's modes (together and against one another, along and across) have one mobility each, μ ± λ, with
    independent noise: four regressions through zero. Samples should be of about one distance; see `by_distance`.
    """
    found = []
    for f, v in zip(_modes(data.positions, data.forces), _modes(data.positions, data.velocities)):
        samples = enough(len(f))
        power = f.square().sum()
        if not float(power) > 0:
            raise LabkitError("active estimate: no force acts along one of the pair's modes; push in random directions")
        m = (v * f).sum() / power
        found.append((m, ((v - m * f).square().sum() / (samples - 1) / power).sqrt()))
    return _of_modes(found, len(data.positions))


def pair_passive(data: Passive) -> Estimate:
    """The same three numbers from displacements: <s²>/(2 k_B T τ) for each mode s, which maximises its likelihood.

    Errors are those of a variance of Gaussian numbers, m (2/N)^(1/2) for N of them.
    """
    found = []
    for s in _modes(data.positions, data.displacements):
        m = s.square().mean() / (2 * KB * data.temperature * data.lag)
        found.append((m, m * (2 / enough(len(s))) ** 0.5))
    return _of_modes(found, len(data.positions))


def by_distance(data: Active | Passive, edges: Sequence[float]) -> list[tuple[float, Estimate]]:
    """(mean distance Å, estimate) of two particles for each bin of distances that holds at least ten samples."""
    estimator = pair_active if isinstance(data, Active) else pair_passive
    r = _pairs(data.positions).norm(dim=1)
    found = []
    for low, high in zip(edges[:-1], edges[1:]):
        mine = (r >= low) & (r < high)
        if int(mine.sum()) >= 10:
            parts = {k: v[mine] if isinstance(v, Tensor) else v for k, v in vars(data).items()}
            found.append((float(r[mine].mean()), estimator(type(data)(**parts))))
    return found


@dataclass(frozen=True, eq=False)
class LagScan:
    """Estimates at several lags [fs], the index of the best one, and whether there is a plateau."""

    lags: list[float]
    estimates: list[Estimate]
    chosen: int
    settled: bool

    @property
    def best(self) -> Estimate:
        return self.estimates[self.chosen]


def scan_lags(
    trajectory: Tensor,
    dt: float,
    temperature: float,
    every: Sequence[int],
    estimator: Callable[[Passive], Estimate] = pair_passive,
    *,
    cell: Any = None,
) -> LagScan:
    """An estimate at each lag of `every` frames (ascending), of a trajectory (frames, [S,] n, 3) `dt` fs apart.

    Too short a lag shows momenta or caging, too long a lag a mobility that has changed; between them is a plateau.
    Its beginning is chosen: the shortest lag whose estimate differs from the next one's by no more than their errors
    (in the mean square over all entries). If there is none, it is the longest lag, and `settled` is False.

    The trajectory and `cell` are as in `Passive.from_trajectory`.
    """
    if len(every) < 2 or any(b <= a for a, b in zip(every[:-1], every[1:])):
        raise LabkitError(f"lags of {list(every)} frames; expected at least two, ascending")
    check_shape(trajectory)
    if not 1 <= every[0] <= every[-1] < len(trajectory):
        raise LabkitError(f"lags of {list(every)} frames do not fit into a trajectory of {len(trajectory)}")
    trajectory = continuous(trajectory, cell)
    estimates = [estimator(Passive.of_windows(trajectory, dt, temperature, k)) for k in every]
    for chosen, (one, other) in enumerate(zip(estimates[:-1], estimates[1:])):
        apart = (one.value - other.value).square() / (one.error.square() + other.error.square())
        if float(apart.mean()) <= 1.0:
            return LagScan([k * dt for k in every], estimates, chosen, True)
    return LagScan([k * dt for k in every], estimates, len(every) - 1, False)


def _pairs(positions: Tensor) -> Tensor:
    if positions.shape[1] != 2:
        raise LabkitError(
            f"an estimate of a pair needs 2 particles in each sample, found {positions.shape[1]}; use `active`, "
            "`passive`, or train a PairModel"
        )
    return positions[:, 1] - positions[:, 0]


def _modes(positions: Tensor, vectors: Tensor) -> list[Tensor]:
    """Components (N,) along r̂ of the sum and of the difference, over √2, and (2N,) across it."""
    apart = _pairs(positions)
    unit = apart / apart.norm(dim=1, keepdim=True)
    # two directions across: from the axis that is furthest from r̂
    axis = torch.eye(3, dtype=unit.dtype, device=unit.device)[unit.abs().argmin(1)]
    first = torch.linalg.cross(unit, axis)
    first = first / first.norm(dim=1, keepdim=True)
    second = torch.linalg.cross(unit, first)
    both = [(vectors[:, 0] + sign * vectors[:, 1]) / 2**0.5 for sign in (1, -1)]
    along = [(v * unit).sum(1) for v in both]
    return along + [torch.cat([(v * e).sum(1) for e in (first, second)]) for v in both]


def _of_modes(found: list[tuple[Tensor, Tensor]], samples: int) -> Estimate:
    """μ, λ∥ and λ⊥ from the mobilities μ + λ∥, μ - λ∥, μ + λ⊥, μ - λ⊥ and their errors."""
    m, error = (torch.stack(part).view(2, 2) for part in zip(*found))  # rows along, across; columns +, -
    half, variance = (m[:, 0] - m[:, 1]) / 2, (error.square().sum(1) / 4).clamp(min=1e-60)  # of exact data
    weight = 1 / variance
    own = (weight * m.mean(1)).sum() / weight.sum()
    return Estimate(torch.cat([own[None], half]), torch.cat([weight.sum()[None] ** -1, variance]).sqrt(), samples)


def enough(samples: int) -> int:
    if samples < 3:
        raise LabkitError(f"an estimate with an error bar needs at least 3 samples, found {samples}")
    return samples
