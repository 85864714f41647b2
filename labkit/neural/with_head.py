"""with_head(): a trained potential with another head, for further training."""

from __future__ import annotations

import torch

from labkit.errors import LabkitError
from labkit.neural.heads import head_of
from labkit.neural.potential import NeuralPotential

SPREAD = 0.1  # of the weights of a new ensemble, relative to their size


def with_head(potential: NeuralPotential, head: str = "plain", outputs: int = 1, seed: int = 0) -> NeuralPotential:
    """A potential with the same energies and another head, whose uncertainty is not trained yet.

    A step of a shallow ensemble costs several times as much as with one output: train one output first, then the
    ensemble made from it. In other heads the first output remains the energy.

    Raises LabkitError for a potential that already has several outputs or variances.

    >>> from labkit.neural import NeuralConfig
    >>> plain = NeuralPotential(NeuralConfig(channels=8), ["H"], {"H": -13.6})
    >>> with_head(plain, outputs=4).network.last.weight.shape
    torch.Size([4, 4])
    """
    last = potential.network.last.weight.detach()
    if len(last) != 1:
        raise LabkitError(f"with_head: the potential has {len(last)} outputs already; give one with a plain head")
    config = potential.config.replace(head=head, outputs=outputs)
    count, random = head_of(config).columns, torch.Generator().manual_seed(seed)
    noise = torch.randn(count, last.shape[1], generator=random).to(last) * last.square().mean().sqrt() * SPREAD
    rows = last + noise - noise.mean(0) if head == "plain" else torch.cat([last, noise[1:]])
    return potential.with_weights({"network.last.weight": rows}, config)
