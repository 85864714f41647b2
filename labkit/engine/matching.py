"""Parameters of a potential from short pieces of trajectory, by gradients through the dynamics."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from labkit.base import NO_PROGRESS, Integrator, Potential, Progress, State
from labkit.engine.differentiable import rollout
from labkit.engine.velocity_verlet import VelocityVerlet
from labkit.errors import LabkitError, Stopped


@dataclass(frozen=True)
class Matching:
    """The loss of each evaluation, relative to the first, and the parameters there."""

    losses: list[float] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)

    @property
    def best(self) -> list[float]:
        """The parameters of the smallest loss."""
        return self.values[min(range(len(self.losses)), key=self.losses.__getitem__)]


def match_trajectory(
    start: State,
    end: State,
    potential: Potential,
    parameter: Tensor,
    *,
    steps: int = 10,
    dt: float = 0.5,
    iterations: int = 40,
    segment: int | None = None,
    integrator: Integrator | None = None,
    progress: Progress = NO_PROGRESS,
) -> Matching:
    """Change `parameter` until `steps` steps of `dt` fs from `start` lead to `end`: L-BFGS on

    L = Σ |v_i(θ) - v_i(end)|² / L₀, the gradient by `rollout`, L₀ the loss at the beginning.

    parameter   a leaf that requires gradients and that the potential uses; it is left at the best value
    iterations  evaluations of loss and gradient after which no further line search begins
    segment     as in `rollout`: `steps` is faster and takes more memory

    Each evaluation goes to progress, with the Matching so far. Raises Stopped(partial=Matching) when progress asks for
    it; LabkitError for a parameter without a gradient.

    >>> match_trajectory(start, end, forcefield, charges).best  # doctest: +SKIP
    """
    if not (parameter.requires_grad and parameter.is_leaf):
        raise LabkitError("the parameter is not a leaf that requires gradients; call parameter.requires_grad_() first")
    rule, target, done = integrator or VelocityVerlet(), end.velocities.detach(), Matching()
    scale: list[float] = []
    begin = parameter.detach().cpu().double().numpy().ravel()
    unit = float(np.abs(begin).max()) or 1.0  # a first step is of the order of 1

    def evaluate(scaled: np.ndarray) -> tuple[float, np.ndarray]:
        values = unit * scaled
        if progress.should_stop():
            raise Stopped(f"stopped after {len(done.losses)} evaluations", partial=done)
        _set(parameter, values)
        reached, _ = rollout(start, potential, rule, steps, dt, segment=segment)
        loss = (reached.velocities - target).square().sum()
        (slope,) = torch.autograd.grad(loss, parameter)
        scale.append(float(loss.detach()) or 1.0)
        done.losses.append(float(loss.detach()) / scale[0])
        done.values.append(values.tolist())
        so_far = Matching(list(done.losses), list(done.values))
        progress.update(len(done.losses), iterations, result=so_far, loss=done.losses[-1])
        return done.losses[-1], slope.detach().cpu().double().numpy().ravel() * (unit / scale[0])

    try:
        limits = {"maxfun": iterations, "maxls": 10, "ftol": 0.0, "gtol": 1e-5}
        minimize(evaluate, begin / unit, jac=True, method="L-BFGS-B", options=limits)
    finally:
        if done.losses:
            _set(parameter, np.array(done.best))
    progress.update(iterations, iterations, result=done)
    return done


def _set(parameter: Tensor, values: np.ndarray) -> None:
    with torch.no_grad():
        parameter.copy_(torch.as_tensor(values).view_as(parameter))
