"""Training of a mobility on pushed particles, on displacements, or by the likelihood of trajectories."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from labkit.base import NO_PROGRESS, Progress
from labkit.errors import LabkitError, Stopped
from labkit.mobility.data import Active, Passive
from labkit.mobility.likelihood import negative_log_likelihood
from labkit.mobility.mobility import Mobility
from labkit.units import KB


def force_matching(model: Mobility, data: Active) -> Tensor:
    """Σ |V - M F|² / Σ |V|²."""
    error = data.velocities - model.product(data.positions, data.forces)
    return error.square().sum() / data.velocities.square().sum()


def displacement_matching(model: Mobility, data: Passive) -> Tensor:
    """Σ |Δ Δᵀ/(2 k_B T τ) - M|² over all entries, without the part that no model changes, as a share of Σ |tr|².

    Its minimum is the mean of Δ Δᵀ/(2 k_B T τ) at each configuration: of order τ, forces and drift are left out.
    """
    matrix = model.matrix(data.positions)
    d = data.displacements.flatten(1) / (2 * KB * data.temperature * data.lag) ** 0.5
    # |d dᵀ - M|² = |d|⁴ - 2 dᵀ M d + |M|², without the matrix d dᵀ
    fitted = matrix.square().sum() - 2 * torch.einsum("ta,tab,tb->", d, matrix, d)
    return fitted / d.square().sum(1).square().sum()


LOSSES = {
    "force matching": force_matching,
    "displacements": displacement_matching,
    "likelihood": negative_log_likelihood,
}


def way_of(by: str, data: Active | Passive) -> str:
    """The way of training, one of LOSSES. Raises LabkitError if it does not exist for these data."""
    known = ["force matching"] if isinstance(data, Active) else ["likelihood", "displacements"]
    if by and by not in known:
        raise LabkitError(f"training by {by!r} from {type(data).__name__} data; expected one of {known}")
    return by or known[0]


def train(
    model: Mobility,
    data: Active | Passive,
    *,
    by: str = "",
    steps: int = 100,
    drift: bool = True,
    progress: Progress = NO_PROGRESS,
) -> list[float]:
    """Fit the parameters of `model` in place by L-BFGS; returns the losses, one for each step of ten iterations.

    by  "force matching" (Active), "displacements" or "likelihood" (Passive; the likelihood is the sharper one, since it
        accounts for how much each entry fluctuates). By default force matching, or likelihood
    drift  whether the likelihood includes k_B T ∇·M, which is most of its cost; leave it out if the lag is short

    Raises LabkitError for data that do not fit, or a loss that is not finite; Stopped(partial=losses) on
    request: the model is then that of the last complete step.
    """
    by = way_of(by, data)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise LabkitError(f"{type(model).__name__} has nothing to learn; train a PairModel or a WholeModel")
    loss_of = partial(LOSSES[by], drift=drift) if by == "likelihood" else LOSSES[by]
    kept = [p.detach().clone() for p in parameters]
    optimiser = torch.optim.LBFGS(
        parameters, max_iter=10, history_size=30, line_search_fn="strong_wolfe", tolerance_change=0.0
    )

    def closure() -> Tensor:
        if progress.should_stop():
            with torch.no_grad():
                for parameter, value in zip(parameters, kept):
                    parameter.copy_(value)
            raise Stopped(f"stopped after {len(losses)} of {steps} steps", partial=losses)
        optimiser.zero_grad()
        loss = loss_of(model, data)
        if loss.requires_grad:
            loss.backward()
        return loss

    losses: list[float] = []
    with torch.enable_grad():
        for step in range(steps):
            losses.append(float(optimiser.step(closure).detach()))
            if not torch.isfinite(torch.tensor(losses[-1])):
                raise LabkitError(
                    f"training by {by}: the loss is {losses[-1]} at step {step}; look for samples with particles at "
                    "the same place, or start with a better guess of `own`"
                )
            kept = [p.detach().clone() for p in parameters]
            progress.update(step + 1, steps, loss=losses[-1])
    return losses
