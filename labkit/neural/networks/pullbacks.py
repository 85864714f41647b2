"""Functions with their pullbacks (gradients of the value -> gradients of the argument), without an autograd graph.

Gradients have one more dimension, of K, before that of atoms, the last but one: several are pulled back together, and
what they share is loaded once.

A forward pass keeps its pullbacks and calls them in reverse: the derivatives of autograd, at a fraction of its
cost for small systems, since nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Pullback = Callable[[Tensor], Tensor]
Pulled = tuple[Tensor, Pullback]


def normalised(x: Tensor, norm: nn.LayerNorm) -> Pulled:
    """LayerNorm over the last dimension."""
    centred = x - x.mean(-1, keepdim=True)
    inverse = torch.rsqrt(centred.square().mean(-1, keepdim=True) + norm.eps)
    unit = centred * inverse

    def back(g: Tensor) -> Tensor:
        g = g * norm.weight
        return inverse * (g - g.mean(-1, keepdim=True) - unit * (g * unit).mean(-1, keepdim=True))

    return torch.addcmul(norm.bias, unit, norm.weight), back


def layers(x: Tensor, parts: nn.Sequential) -> Pulled:
    """Linear layers and SiLU in sequence."""
    backs: list[Pullback] = []
    for part in parts:
        x, back = _linear(x, part) if isinstance(part, nn.Linear) else _silu(x)
        backs.append(back)

    def pulled(g: Tensor) -> Tensor:
        for back in reversed(backs):
            g = back(g)
        return g

    return x, pulled


def squashed(x: Tensor) -> Pulled:
    """x / (1 + |x|²) with the norm over the first dimension."""
    x = x.contiguous()
    inverse = 1 / (1 + x.square().sum(0))

    def back(g: Tensor) -> Tensor:
        if g.is_cpu:
            from labkit.neural.networks.kernels import squashed_back

            out, g = torch.empty_like(g, memory_format=torch.contiguous_format), g.contiguous()
            squashed_back(x.numpy(), inverse.numpy(), g.numpy(), out.numpy())
            return out
        every = x[:, None]
        return torch.addcmul(g * inverse, every, (g * every).sum(0) * inverse.square(), value=-2)

    return x * inverse, back


def mixed(x: Tensor, weight: Tensor) -> Pulled:
    """x (B, n, C) @ weight (B, C, D)."""
    return torch.bmm(x, weight), lambda g: torch.bmm(g.flatten(1, 2), weight.mT).view(*g.shape[:3], -1)


def _linear(x: Tensor, layer: nn.Linear) -> Pulled:
    return nn.functional.linear(x, layer.weight, layer.bias), lambda g: g @ layer.weight


def _silu(x: Tensor) -> Pulled:
    return nn.functional.silu(x), lambda g: torch.ops.aten.silu_backward(g, x.expand_as(g))
