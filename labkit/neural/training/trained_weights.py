"""TrainedWeights: the weights that a training changes, their average, and snapshots of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labkit.errors import LabkitError, suggest
from labkit.neural.potential import NeuralPotential
from labkit.neural.training.plan import Plan
from labkit.neural.training.settings import Training

LAST_ONLY = "all but the last layer"


class TrainedWeights:
    """Weights in training, by name; `average` is their moving average and `snapshots` are copies of them.

    The average is exponential; with averaging='swa' it is, in the cool-down, the mean of all weights of that part.
    """

    def __init__(self, potential: NeuralPotential, training: Training) -> None:
        self.potential, self.training = potential, training
        frozen = frozen_names(potential.network, training.freeze)
        every = dict(potential.network.named_parameters())
        self.frozen = [every[name] for name in frozen]
        self.by_name = {name: p for name, p in every.items() if name not in frozen and p.requires_grad}
        self.parameters = list(self.by_name.values())
        self.average = [p.detach().clone() for p in self.parameters]
        self.snapshots: list[list[Tensor]] = []

    def follow(self, step: int, plan: Plan | None) -> None:
        """Update the average after step number `step` (from 0), and keep a snapshot if one is due."""
        training = self.training
        share = 1 - min(training.average, (1 + step) / (10 + step))
        if training.averaging == "swa" and plan is not None and step >= plan.cooling:
            share = 1 / (step - plan.cooling + 1)
        now = [p.detach() for p in self.parameters]
        torch._foreach_lerp_(self.average, now, share)
        due = plan is not None and step + 1 in plan.snapshots(training.snapshots)
        if due and len(self.snapshots) < training.snapshots:
            self.snapshots.append([p.clone() for p in now])

    def use(self, values: list[Tensor]) -> None:
        """Give the potential these weights."""
        with torch.no_grad():
            for parameter, value in zip(self.parameters, values, strict=True):
                parameter.copy_(value)

    def named(self, values: list[Tensor]) -> dict[str, Tensor]:
        """These weights by their names in the potential."""
        return {f"network.{name}": value for name, value in zip(self.by_name, values, strict=True)}

    def freeze(self, on: bool) -> None:
        """Turn gradients of the frozen weights off (True) or on (False)."""
        for parameter in self.frozen:
            parameter.requires_grad_(not on)


def frozen_names(network: nn.Module, freeze: tuple[str, ...]) -> set[str]:
    """Names of the weights in frozen parts. Raises LabkitError for an unknown part, or if nothing is left to train.

    freeze  names of parts or weights, such as 'radial' or 'layers.0'; or LAST_ONLY

    >>> from labkit.neural import NeuralConfig
    >>> network = NeuralPotential(NeuralConfig(channels=8), ["H"], {"H": 0.0}).network
    >>> sorted(frozen_names(network, ("radial", "norm")))
    ['norm.bias', 'norm.weight', 'radial.weight']
    """
    names = [name for name, _ in network.named_parameters()]
    parts = list(dict.fromkeys(".".join(n.split(".")[:k]) for n in names for k in range(1, n.count(".") + 2)))
    found: set[str] = set()
    for part in freeze:
        chosen = [n for n in names if n == part or n.startswith(f"{part}.")]
        if part == LAST_ONLY:
            chosen = [n for n in names if not n.startswith("last.")]
        elif not chosen:
            top = ", ".join(dict.fromkeys(n.split(".")[0] for n in names))
            raise LabkitError(
                f"freeze: {part!r} is no part of this network{suggest(part, parts)}; expected {LAST_ONLY!r}, or some "
                f"of {top}"
            )
        found |= set(chosen)
    if len(found) == len(names):
        raise LabkitError("freeze: all weights are frozen, and none is left to train; leave a part out")
    return found
