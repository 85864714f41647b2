"""dX_*: motion by a mobility, dX = (M F + k_B T ∇·M) dt + noise of covariance 2 k_B T M dt."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.base import Integrator, Potential, State
from labkit.engine import noise
from labkit.engine.motion import evaluated
from labkit.errors import LabkitError
from labkit.lammps.mlmod.blocks import alike
from labkit.lammps.mlmod.models import ROWS, ExportedModel
from labkit.lammps.mlmod.symmetry import symmetric
from labkit.lammps.units import Units
from labkit.mobility.positive import ROUNDING

#: numbers in all matrices from one call of a model of a whole system: limits the memory
ENTRIES = 4_000_000


@dataclass(frozen=True)
class MlmodOseen:
    """M_ii = I/(6πηa), M_ij = (I + r̂ r̂ᵀ)/(8πη(r + ε)); MLMOD's own M_ij lacks the π.

    eta, a and epsilon in the units of the file.
    """

    eta: float
    a: float
    epsilon: float

    def __call__(self, x: Tensor) -> Tensor:
        """M (S, 3n, 3n) of S systems at x (S, n, 3)."""
        n, one = x.shape[1], torch.eye(3, dtype=x.dtype)
        apart = x[:, :, None] - x[:, None]
        r = (apart.norm(dim=3) + torch.eye(n, dtype=x.dtype))[..., None, None]  # 1 on the diagonal, which is replaced
        unit = apart[..., None] / r
        blocks = (one + unit * unit.mT) / (8 * math.pi * self.eta * (r + self.epsilon))
        blocks[:, range(n), range(n)] = one / (6 * math.pi * self.eta * self.a)
        return _matrix(blocks)


@dataclass(frozen=True, eq=False)
class ExportedPairMobility:
    """M_ii(x_i) and, for i < j, M_ij(x_i, x_j) of exported models; M_ji = M_ijᵀ."""

    own: ExportedModel
    pair: ExportedModel

    def __call__(self, x: Tensor) -> Tensor:
        """M (S, 3n, 3n) of S systems at x (S, n, 3)."""
        n = x.shape[1]
        blocks = x.new_zeros(len(x), n, n, 3, 3)
        blocks[:, range(n), range(n)] = self._own(x.reshape(-1, 3)).reshape(-1, n, 3, 3)
        if n > 1:
            i, j, both = _pairs(x)
            between = self._pair(both).reshape(len(x), -1, 3, 3)
            blocks[:, i, j], blocks[:, j, i] = between, between.mT
        return _matrix(blocks)

    def divergence(self, x: Tensor, delta: float) -> Tensor:
        """(S, n, 3): only the block of i itself, and that of i and j, depend on x_i and x_j; central differences."""
        found = torch.einsum("biab->ia", _derivatives(self._own, x.reshape(-1, 3), delta)).reshape(x.shape)
        if x.shape[1] > 1:  # M_ij by x_j moves i, its transpose by x_i moves j
            i, j, both = _pairs(x)
            change = _derivatives(self._pair, both, delta)
            found.index_add_(1, i, torch.einsum("bpab->pa", change[3:]).reshape(len(x), -1, 3))
            found.index_add_(1, j, torch.einsum("bpba->pa", change[:3]).reshape(len(x), -1, 3))
        return found

    def _own(self, x: Tensor) -> Tensor:
        return self.own(x, 9).reshape(-1, 3, 3)

    def _pair(self, both: Tensor) -> Tensor:
        return self.pair(both, 9).reshape(-1, 3, 3)


@dataclass(frozen=True, eq=False)
class WholeMobility:
    """M(X) (3n, 3n) of one exported model."""

    model: ExportedModel

    def __call__(self, x: Tensor) -> Tensor:
        """M (S, 3n, 3n) of S systems at x (S, n, 3)."""
        size = 3 * x.shape[1]
        return self.model(x.reshape(-1, size), size * size).reshape(-1, size, size)

    def divergence(self, x: Tensor, delta: float) -> Tensor:
        """(S, n, 3), by central differences along each of the 3n directions, a few at a time."""
        size, found = 3 * x.shape[1], torch.zeros_like(x).reshape(len(x), -1)
        steps, places = delta * torch.eye(size, dtype=x.dtype), x.reshape(-1, 1, size)
        for some in torch.arange(size).split(max(1, ENTRIES // (len(x) * size**2))):
            ahead, behind = (
                self.model((places + sign * steps[some]).reshape(-1, size), size * size).reshape(len(x), -1, size, size)
                for sign in (1, -1)
            )
            # row by row of M, the derivative of column q along q
            found += (ahead - behind)[..., some].diagonal(dim1=1, dim2=3).sum(2) / (2 * delta)
        return found.reshape(x.shape)


@dataclass(frozen=True, eq=False)
class MobilityDynamics(Integrator):
    """X <- X + dt (M F + k_B T ∇·M) + (2 k_B T dt)^½ L ξ with L Lᵀ = M (Euler and Maruyama).

    This scheme needs the whole drift. Without `stochastic` there is neither noise nor drift.
    Velocities are those of the deterministic part. Open boundaries: no minimum image. kbt and delta are in `units`.

    Raises LabkitError if M is not symmetric, or, with noise, not positive semi-definite.
    """

    mobility: Callable[[Tensor], Tensor]
    units: Units
    kbt: float = 0.0
    stochastic: bool = False
    drift: bool = False
    delta: float = 0.0

    def init(self, state: State, potential: Potential) -> State:
        if bool(state.system.pbc.any()):
            warnings.warn(
                "the box is periodic, but this mobility is that of particles without images; use an open "
                "box, or labkit.mobility.PeriodicRotnePragerYamakawa",
                stacklevel=2,
            )
        return evaluated(state, potential)

    def step(self, state: State, potential: Potential, dt: float) -> State:
        units, time = self.units, dt / self.units.time
        moved, velocities = torch.zeros_like(state.positions), torch.zeros_like(state.velocities)
        random = noise.normal(state, noise.THERMOSTAT).to("cpu", torch.float64)
        for atoms in alike(state):
            x = (state.positions[atoms] / units.length).to("cpu", torch.float64)
            force = (state.forces[atoms] / units.force).to("cpu", torch.float64)
            m = symmetric(self.mobility(x))
            v = _times(m, force)
            if self.stochastic and self.drift:
                v = v + self.kbt * self.mobility.divergence(x, self.delta)
            change = time * v
            if self.stochastic:
                change = change + (2 * self.kbt * time) ** 0.5 * _times(factor(m), random[atoms])
            moved[atoms], velocities[atoms] = (change * units.length).to(moved), (v * units.velocity).to(velocities)
        state = state.replace(positions=state.positions + moved, velocities=velocities, step=state.step + 1)
        return evaluated(state, potential)


def factor(m: Tensor) -> Tensor:
    """L with L Lᵀ = M, (S, 3n, 3n): Cholesky's, or eigenvectors if M is only semi-definite.

    Models compute in float32: an eigenvalue below zero by that rounding counts as zero. Raises LabkitError for a lower
    one, naming the particles of its motion.
    """
    m = 0.5 * (m + m.mT)
    lower, failed = torch.linalg.cholesky_ex(m)
    if not bool(failed.any()):
        return lower
    systems = torch.nonzero(failed).flatten()
    if not bool(torch.isfinite(m[systems]).all()):
        raise LabkitError("the mobility is not finite: particles may be at the same place, or the model fails there")
    values, vectors = torch.linalg.eigh(m[systems])
    bad = torch.nonzero(values[:, 0] < -ROUNDING[torch.float32] * values[:, -1].abs()).flatten().tolist()
    if not bad:
        return lower.index_copy(0, systems, vectors * values.clamp(min=0).sqrt()[:, None, :])
    system, values, vectors = int(systems[bad[0]]), values[bad[0]], vectors[bad[0]]
    weight = vectors[:, 0].reshape(-1, 3).square().sum(1)
    worst = sorted(torch.argsort(weight, descending=True)[:2].tolist())
    raise LabkitError(
        f"system {system}: the mobility is not positive semi-definite: its eigenvalue {float(values[0]):.3g} (the "
        f"largest is {float(values[-1]):.3g}) belongs mostly to particles {', '.join(map(str, worst))} (counted from "
        "0, in the order of their IDs); keep them further apart, run without noise (flag_stochastic 0), or use a "
        "mobility that is positive by construction"
    )


def _matrix(blocks: Tensor) -> Tensor:
    """Blocks (S, n, n, 3, 3) as (S, 3n, 3n)."""
    n = blocks.shape[1]
    return blocks.permute(0, 1, 3, 2, 4).reshape(-1, 3 * n, 3 * n)


def _times(m: Tensor, vectors: Tensor) -> Tensor:
    """M (S, 3n, 3n) times vectors (S, n, 3)."""
    return (m @ vectors.reshape(len(m), -1, 1)).reshape(vectors.shape)


def _pairs(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """i, j (P,) and the places of both, (S P, 6)."""
    i, j = torch.triu_indices(x.shape[1], x.shape[1], 1)
    return i, j, torch.cat([x[:, i], x[:, j]], 2).reshape(-1, 6)


def _derivatives(blocks: Callable[[Tensor], Tensor], rows: Tensor, delta: float) -> Tensor:
    """d blocks(row) / d row[b], (k, P, 3, 3), by central differences; a few of the k directions at a time."""
    count, size = rows.shape
    found = []
    for steps in (delta * torch.eye(size, dtype=rows.dtype)).split(max(1, ROWS // (2 * count))):
        both = torch.cat([rows + sign * steps[:, None] for sign in (1, -1)])
        ahead, behind = blocks(both.reshape(-1, size)).reshape(2, len(steps), count, 3, 3)
        found.append((ahead - behind) / (2 * delta))
    return torch.cat(found)
