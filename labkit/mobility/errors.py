"""Error bars of learned pair mobilities: their scatter if they were learned again from other data."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from labkit.errors import LabkitError
from labkit.mobility.data import Active, Passive
from labkit.mobility.estimate import Estimate, enough
from labkit.mobility.learned import PairModel
from labkit.mobility.positive import check_positive
from labkit.mobility.training import way_of
from labkit.units import KB

#: Samples whose derivatives are held at once.
_SAMPLES = 250

#: Draws of parameters, enough for the scatter of M to 2 %.
_DRAWS = 2000


def pair_learned(model: PairModel, data: Active | Passive, distances: Tensor, *, by: str = "") -> Estimate:
    """For a model trained on `data`: M_ii, and M_ij along r̂ and across it, at distances (R,) Å; (R, 3) Å²/(eV fs).

    To first order in its p parameters θ each way of training is a regression, with residuals e of a sample, J = de/dθ.
    The covariance is a sandwich (White, Econometrica 50, 1, 1982): samples have to be independent, but their noise need
    not be the one that the loss assumes,

        cov θ = (H + P)⁻¹ (G + P) (H + P)⁻¹,  H = c Σ Jᵀ J,  G = c² Σ Jᵀ e eᵀ J,  c = tr Σ Jᵀ J / tr Σ Jᵀ e eᵀ J.

    P (p, p) holds the inverse squares of the initial spreads of the parameters. It counts for those combinations that
    the data do not determine, so that error bars grow away from the samples' distances; c makes H
    the information in the data.

    by  how the model was trained, as in `train`. The drift is left out: it is of higher order in the lag

    The error bars include neither incomplete training (let the loss converge) nor the effect of a long lag. Raises
    LabkitError for a model that is not a PairModel, for data of another kind, and for fewer than 3 samples.

    >>> from labkit.mobility import RotnePragerYamakawa
    >>> from labkit.mobility.tweezers import Tweezers
    >>> seen = Tweezers(RotnePragerYamakawa(10.0, 5.3), 300.0, 25.0, 80.0, pairs=50).flash(seed=1).data(lag=160e3)
    >>> found = pair_learned(PairModel(own=1e-3, scale=20.0, width=4), seen, torch.tensor([30.0, 40.0]))
    >>> found.value.shape, found.error.shape, found.samples
    (torch.Size([2, 3]), torch.Size([2, 3]), 50)
    """
    if not isinstance(model, PairModel):
        raise LabkitError(f"{type(model).__name__} has no error bars of this kind; expected a trained PairModel")
    samples = enough(len(data.positions))
    residual, of_samples = _regression(model, data, way_of(by, data))
    curvature = scatter = torch.zeros((), dtype=torch.float64)
    for part in zip(*(values.split(_SAMPLES) for values in of_samples)):
        e, slopes = _derivatives(model, residual, *part)
        pull = torch.einsum("sep,se->sp", slopes, e)
        curvature = curvature + slopes.flatten(0, 1).mT @ slopes.flatten(0, 1)
        scatter = scatter + pull.mT @ pull
    c = curvature.trace() / scatter.trace()
    spreads = torch.cat(
        [torch.full_like(p.detach().flatten(), model.spreads[name]) for name, p in model.named_parameters()]
    )
    prior = (spreads**-2).diag()
    solved = torch.linalg.inv(c * curvature + prior)
    covariance = solved @ (c**2 * scatter + prior) @ solved
    return Estimate(*_propagated(model, covariance, distances), samples)


def _propagated(model: PairModel, covariance: Tensor, distances: Tensor) -> tuple[Tensor, Tensor]:
    """Values (R, 3), and their scatter for parameters with this covariance.

    ln μ and the g's are taken as linear in the parameters, and tanh exactly: it is flat near a bound, where the
    slope alone would suggest no scatter.
    """
    x = torch.zeros(len(distances), 2, 3, dtype=torch.float64)
    x[:, 1, 0] = distances

    def bare(m: Tensor) -> Tensor:
        return torch.stack([m[0, 0].log(), torch.atanh(m[0, 3] / m[0, 0]), torch.atanh(m[1, 4] / m[0, 0])])

    def dressed(g: Tensor) -> Tensor:
        return g[..., :1].exp() * torch.cat([torch.ones_like(g[..., :1]), g[..., 1:].tanh()], -1)

    g, slopes = _derivatives(model, bare, x)
    squares, axes = torch.linalg.eigh(torch.einsum("rkp,pq,rlq->rkl", slopes, covariance, slopes))
    random = torch.randn(_DRAWS, 1, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = torch.einsum("drl,rkl->drk", random * squares.clamp(min=0).sqrt(), axes)
    value = dressed(g)
    return value, (dressed(g + moved) - value).square().mean(0).sqrt()


def _regression(model: PairModel, data: Active | Passive, by: str) -> tuple[Callable[..., Tensor], list[Tensor]]:
    """The residuals of one sample as a function of its M, and the data they depend on: positions first.

    Half their square has the gradient of the loss, and as Gauss and Newton's curvature its expected second derivative.
    """
    x = data.positions
    if by == "force matching":
        return lambda m, f, v: v - m @ f, [x, data.forces.flatten(1), data.velocities.flatten(1)]
    unit = (2 * KB * data.temperature * data.lag) ** 0.5
    d = data.displacements.flatten(1) / unit
    if by == "displacements":
        return lambda m, d: _entries(torch.outer(d, d) - m), [x, d]
    # Δ ~ N(M F τ, 2 k_B T τ M): by Fisher's scoring a regression of z zᵀ and z, in units in which the learned M is 1
    matrix = model.matrix(x).detach()
    check_positive(matrix, x)
    inverse = torch.linalg.inv(torch.linalg.cholesky(matrix))
    f = torch.zeros_like(d) if data.forces is None else data.forces.flatten(1) * data.lag / unit
    z = (inverse @ (d - (matrix @ f[..., None])[..., 0])[..., None])[..., 0]

    def residual(m: Tensor, inverse: Tensor, f: Tensor, d: Tensor, z: Tensor) -> Tensor:
        spread = torch.outer(z, z) - inverse @ m @ inverse.mT
        return torch.cat([_entries(spread) / 2**0.5, inverse @ (d - m @ f)])

    return residual, [x, inverse, f, d, z]


def _entries(matrix: Tensor) -> Tensor:
    """The independent entries of a symmetric matrix, weighted so that their sum of squares is that of all."""
    i, j = torch.tril_indices(*matrix.shape)
    return matrix[i, j] * (1 + (i != j).to(matrix)).sqrt()


def _derivatives(model: PairModel, function: Callable[..., Tensor], x: Tensor, *more: Tensor) -> tuple[Tensor, ...]:
    """function(M, ...) of each configuration x (S, n, 3), as (S, e), and its derivatives d/dθ, (S, e, p)."""
    matrix = _Matrix(model)
    theta = {name: p.detach() for name, p in matrix.named_parameters()}

    def one(theta: dict[str, Tensor], x: Tensor, *more: Tensor) -> tuple[Tensor, Tensor]:
        value = function(functional_call(matrix, theta, (x[None],))[0], *more)
        return value, value

    slopes, value = vmap(jacrev(one, has_aux=True), (None, *(0 for _ in (x, *more))))(theta, x, *more)
    return value.detach(), torch.cat([s.detach().reshape(*value.shape, -1) for s in slopes.values()], -1)


class _Matrix(nn.Module):
    """M as the `forward` that functional_call needs."""

    def __init__(self, model: PairModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, positions: Tensor) -> Tensor:
        return self.model.matrix(positions)
