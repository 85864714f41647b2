"""The likelihood of observed displacements under a mobility, and the parameters that maximise it."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from labkit.errors import LabkitError
from labkit.mobility.data import Passive
from labkit.mobility.divergence import divergence
from labkit.mobility.estimate import Estimate
from labkit.mobility.mobility import Mobility
from labkit.units import KB


def negative_log_likelihood(model: Mobility, data: Passive, drift: bool = True) -> Tensor:
    """-ln p per number, for Δ ~ N((M F + k_B T ∇·M) τ, 2 k_B T M τ), up to constants.

    `drift` False leaves the divergence out: faster, and it is of higher order in τ.
    """
    thermal = KB * data.temperature
    matrix = model.matrix(data.positions)
    mean = torch.zeros_like(data.displacements)
    if data.forces is not None:
        mean = mean + (matrix @ data.forces.flatten(1)[..., None]).view_as(mean)
    if drift:
        mean = mean + thermal * divergence(model, data.positions)
    rest = (data.displacements - data.lag * mean).flatten(1)
    lower, failed = torch.linalg.cholesky_ex(matrix)
    if bool(failed.any()):
        return matrix.new_tensor(float("inf"))  # the line search steps back
    z = torch.linalg.solve_triangular(lower, rest[..., None], upper=False)[..., 0]
    half_log_det = lower.diagonal(dim1=1, dim2=2).log().sum(1)
    each = half_log_det + 0.5 * z.square().sum(1) / (2 * thermal * data.lag)
    return each.mean() / z.shape[1]


def maximum_likelihood(
    mobility: Mobility, data: Passive, names: Sequence[str] = ("viscosity",), drift: bool = False
) -> tuple[Mobility, Estimate]:
    """The mobility with the positive parameters `names` that make the displacements most likely, and these parameters.

    Their errors come from the curvature of the likelihood there. `mobility` itself, the first guess, is not changed.
    Raises LabkitError for a parameter it lacks, and if the data do not determine all of them.

    >>> from labkit.mobility import RotnePragerYamakawa
    >>> m, estimate = maximum_likelihood(RotnePragerYamakawa(10.0, 5.0), watched)  # doctest: +SKIP
    """
    model, held = copy.deepcopy(mobility), dict(mobility.named_buffers())
    for name in names:
        if name not in held:
            raise LabkitError(f"{type(mobility).__name__} has no parameter {name!r}; it has {list(held)}")
    logs = torch.stack([held[name].double().log() for name in names]).requires_grad_()

    def loss(theta: Tensor) -> Tensor:
        for name, value in zip(names, theta.exp()):
            owner, _, own = name.rpartition(".")
            setattr(model.get_submodule(owner), own, value)
        return negative_log_likelihood(model, data, drift) * data.displacements.numel()

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(logs) / data.displacements.numel()
        value.backward()
        return value

    with torch.enable_grad():
        optimiser = torch.optim.LBFGS([logs], max_iter=50, line_search_fn="strong_wolfe", tolerance_grad=1e-8)
        optimiser.step(closure)
        curvature = torch.autograd.functional.hessian(loss, logs.detach())
    eigenvalues = torch.linalg.eigvalsh(curvature)
    if not bool((eigenvalues > 1e-9 * eigenvalues[-1].abs()).all()) or not bool(torch.isfinite(logs).all()):
        raise LabkitError(
            f"the data do not determine {', '.join(names)} together (curvatures {eigenvalues.tolist()}); fix one of "
            "them, or observe particles at several distances"
        )
    value = logs.detach().exp()
    loss(logs.detach())
    error = value * torch.linalg.inv(curvature).diagonal().sqrt()
    return model, Estimate(value, error, len(data.displacements))
