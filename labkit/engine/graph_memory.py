"""The memory held by the graph of a computation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class _Kept:
    """A tensor saved by a graph, counted while it exists."""

    def __init__(self, tensor: Tensor, count: GraphMemory) -> None:
        # detached: a result that its own node saves would otherwise never be freed
        self.tensor, self.count = tensor.detach(), count
        count.add(tensor.numel() * tensor.element_size())

    def __del__(self) -> None:
        self.count.add(-self.tensor.numel() * self.tensor.element_size())


class GraphMemory:
    """Bytes held for gradients by graphs built within the block: `now`, and the largest number so far, `peak`.

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
    """The largest number of bytes held by graphs while `loss()` and then its gradient are computed."""
    with GraphMemory() as memory:
        loss().backward()
    return memory.peak
