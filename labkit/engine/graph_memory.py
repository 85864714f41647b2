"""What the graph of a computation holds in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class _Kept:
    """A tensor that a graph has saved, counted while it is."""

    def __init__(self, tensor: Tensor, count: GraphMemory) -> None:
        # without its node, which would hold this again: a result that its own node saves would stay for ever
        self.tensor, self.count = tensor.detach(), count
        count.add(tensor.numel() * tensor.element_size())

    def __del__(self) -> None:
        self.count.add(-self.tensor.numel() * self.tensor.element_size())


class GraphMemory:
    """Bytes that graphs made within hold for their gradients, `now`, and the most there ever were, `peak`.

    >>> with GraphMemory() as memory:
    ...     loss = torch.ones(1000, requires_grad=True).exp().sum()
    >>> memory.peak
    4000
    """

    def __init__(self) -> None:
        self.now = self.peak = 0
        self._hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: _Kept(t, self), lambda kept: kept.tensor)

    def add(self, size: int) -> None:
        self.now += size
        self.peak = max(self.peak, self.now)

    def __enter__(self) -> GraphMemory:
        self._hooks.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._hooks.__exit__(*error)


def gradient_memory(loss: Callable[[], Tensor]) -> int:
    """The most bytes that graphs hold while `loss()` and then its gradient are computed."""
    with GraphMemory() as memory:
        loss().backward()
    return memory.peak
