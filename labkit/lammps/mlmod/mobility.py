"""dX_*: motion by a mobility, dX = (M F + k_B T ∇·M) dt + noise of covariance 2 k_B T M dt."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.base import Potential, State
from labkit.engine import noise
from labkit.engine.motion import evaluated
from labkit.errors import LabkitError
from labkit.lammps.mlmod.blocks import per_system
from labkit.lammps.mlmod.models import ROWS, Model
from labkit.lammps.units import Units


@dataclass(frozen=True)
class Oseen:
    """M_ii = I/(6πηa), M_ij = (I + r̂ r̂ᵀ)/(8πη(r + ε)); MLMOD's own M_ij lacks the π.

    eta, a and epsilon in the units of the file.
    """

    eta: float
    a: float
    epsilon: float

    def __call__(self, x: Tensor) -> Tensor:
        n = len(x)
        apart = x[:, None] - x[None]
        r = apart.norm(dim=2) + torch.eye(n, dtype=x.dtype)  # 1 on the diagonal, which is replaced
        unit = apart / r[..., None]
        one = torch.eye(3, dtype=x.dtype)
        blocks = (one + unit[..., :, None] * unit[..., None, :]) / (8 * math.pi * self.eta * (r + self.epsilon))[
            ..., None, None
        ]
        blocks[range(n), range(n)] = one / (6 * math.pi * self.eta * self.a)
        return _matrix(blocks)


@dataclass(frozen=True, eq=False)
class PairMobility:
    """M_ii(x_i) and, for i < j, M_ij(x_i, x_j) of exported models; M_ji = M_ijᵀ."""

    own: Model
    pair: Model

    def __call__(self, x: Tensor) -> Tensor:
        n = len(x)
        i, j = torch.triu_indices(n, n, 1)
        blocks = x.new_zeros(n, n, 3, 3)
        blocks[range(n), range(n)] = self._own(x)
        if n > 1:
            between = self._pair(torch.cat([x[i], x[j]], 1))
            blocks[i, j], blocks[j, i] = between, between.mT
        return _matrix(blocks)

    def divergence(self, x: Tensor, delta: float) -> Tensor:
        """(n, 3): only the block of i itself, and that of i and j, depend on x_i and x_j; central differences."""
        found = torch.einsum("biab->ia", _derivatives(self._own, x, delta))
        if len(x) > 1:  # M_ij by x_j moves i, its transpose by x_i moves j
            i, j = torch.triu_indices(len(x), len(x), 1)
            change = _derivatives(self._pair, torch.cat([x[i], x[j]], 1), delta)
            found.index_add_(0, i, torch.einsum("bpab->pa", change[3:]))
            found.index_add_(0, j, torch.einsum("bpba->pa", change[:3]))
        return found

    def _own(self, x: Tensor) -> Tensor:
        return self.own(x, 9).reshape(-1, 3, 3)

    def _pair(self, both: Tensor) -> Tensor:
        return self.pair(both, 9).reshape(-1, 3, 3)


@dataclass(frozen=True, eq=False)
class WholeMobility:
    """M(X) (3n, 3n) of one exported model."""

    model: Model

    def __call__(self, x: Tensor) -> Tensor:
        size = x.numel()
        return self.model(x.reshape(1, -1), size * size).reshape(size, size)

    def divergence(self, x: Tensor, delta: float) -> Tensor:
        """(n, 3), by central differences along each of the 3n directions, a few at a time."""
        size, found = x.numel(), x.new_zeros(x.numel())
        steps = delta * torch.eye(size, dtype=x.dtype)
        many = max(1, 4_000_000 // size**2)
        for q in torch.arange(size).split(many):
            ahead, behind = (
                self.model(x.reshape(1, -1) + sign * steps[q], size * size).reshape(-1, size, size) for sign in (1, -1)
            )
            column = (ahead - behind)[torch.arange(len(q)), :, q] / (2 * delta)
            found += column.sum(0)
        return found.reshape(x.shape)


@dataclass(frozen=True, eq=False)
class MobilityDynamics:
    """X <- X + dt (M F + k_B T ∇·M) + (2 k_B T dt)^½ L ξ with L Lᵀ = M (Euler and Maruyama).

    That is the scheme for which the whole drift is added. Without `stochastic` there is neither noise nor drift.
    Velocities are those of the deterministic part. Open boundaries: no minimum image. kbt and delta are in `units`.

    Raises LabkitError where noise is wanted and M is not positive definite.
    """

    mobility: Callable[[Tensor], Tensor]
    units: Units
    kbt: float = 0.0
    stochastic: bool = False
    drift: bool = False
    delta: float = 0.0

    def init(self, state: State, potential: Potential) -> State:
        return evaluated(state, potential)

    def step(self, state: State, potential: Potential, dt: float) -> State:
        units, time = self.units, dt / self.units.time
        moved, velocities = torch.zeros_like(state.positions), torch.zeros_like(state.velocities)
        random = noise.normal(state, noise.THERMOSTAT, *state.positions.shape).to("cpu", torch.float64)
        for atoms in per_system(state):
            mine = atoms[0]
            x = (state.positions[mine] / units.length).to("cpu", torch.float64)
            force = (state.forces[mine] / units.force).to("cpu", torch.float64)
            m = self.mobility(x)
            v = (m @ force.reshape(-1)).reshape(-1, 3)
            if self.stochastic and self.drift:
                v = v + self.kbt * self.mobility.divergence(x, self.delta)
            change = time * v
            if self.stochastic:
                root = factor(m)
                change = change + (2 * self.kbt * time) ** 0.5 * (root @ random[mine].reshape(-1)).reshape(-1, 3)
            moved[mine], velocities[mine] = (change * units.length).to(moved), (v * units.velocity).to(velocities)
        state = state.replace(positions=state.positions + moved, velocities=velocities, step=state.step + 1)
        return evaluated(state, potential)


def factor(m: Tensor) -> Tensor:
    """L with L Lᵀ = M; raises LabkitError, with the eigenvalue and the particles that it belongs to."""
    symmetric = 0.5 * (m + m.mT)
    lower, failed = torch.linalg.cholesky_ex(symmetric)
    if not bool(failed):
        return lower
    if not bool(torch.isfinite(m).all()):
        raise LabkitError("the mobility is not finite: particles may be at the same place, or the model fails there")
    values, vectors = torch.linalg.eigh(symmetric)
    weight = vectors[:, 0].reshape(-1, 3).square().sum(1)
    worst = sorted(torch.argsort(weight, descending=True)[:2].tolist())
    raise LabkitError(
        f"the mobility is not positive definite: its eigenvalue {float(values[0]):.3g} (the largest is "
        f"{float(values[-1]):.3g}) belongs mostly to particles {', '.join(map(str, worst))} (counted from 0, in the "
        "order of their IDs); keep them further apart, run without noise (flag_stochastic 0), or use a mobility that "
        "is positive by construction"
    )


def _matrix(blocks: Tensor) -> Tensor:
    n = len(blocks)
    return blocks.permute(0, 2, 1, 3).reshape(3 * n, 3 * n)


def _derivatives(blocks: Callable[[Tensor], Tensor], rows: Tensor, delta: float) -> Tensor:
    """d blocks(row) / d row[b], (k, P, 3, 3), by central differences; a few of the k directions at a time."""
    count, size = rows.shape
    found = []
    for steps in (delta * torch.eye(size, dtype=rows.dtype)).split(max(1, ROWS // (2 * count))):
        both = torch.cat([rows + sign * steps[:, None] for sign in (1, -1)])
        ahead, behind = blocks(both.reshape(-1, size)).reshape(2, len(steps), count, 3, 3)
        found.append((ahead - behind) / (2 * delta))
    return torch.cat(found)
