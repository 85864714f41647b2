"""Trilinear forms: their derivatives have the same form, so compiled kernels have gradients of any order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

#: (the two other arguments, in their order) -> the derivative of the form with respect to one argument
Partial = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Trilinear:
    """T(a, b, c), linear in each of three tensors, defined by its three partial derivatives.

    The derivative of <w, ∂T/∂c(a, b)> with respect to a is ∂T/∂a(b, w): three kernels are closed under
    differentiation, as forces and the gradient of a loss of forces require.

    >>> product = Trilinear((torch.mul, torch.mul, torch.mul))  # T = Σ a b c
    >>> a, b = torch.tensor([2.0, 3.0], requires_grad=True), torch.tensor([5.0, 7.0])
    >>> product.partial(2, a, b).sum().backward()
    >>> a.grad.tolist()
    [5.0, 7.0]
    """

    partials: tuple[Partial, Partial, Partial]

    def partial(self, argument: int, first: Tensor, second: Tensor) -> Tensor:
        """∂T/∂argument, a function of the two others, differentiable."""
        return _Derivative.apply(self, argument, first, second)

    def value(self, argument: int, first: Tensor, second: Tensor) -> Tensor:
        """The same without a graph."""
        return self.partials[argument](first.contiguous(), second.contiguous())


class _Derivative(torch.autograd.Function):
    @staticmethod
    def forward(ctx, form: Trilinear, argument: int, first: Tensor, second: Tensor) -> Tensor:
        ctx.form, ctx.argument = form, argument
        ctx.save_for_backward(first, second)
        return form.value(argument, first, second)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values = list(ctx.saved_tensors)
        values.insert(ctx.argument, gradient)
        found: list[Tensor | None] = [None, None]
        for needed, other in zip(ctx.needs_input_grad[2:], (k for k in range(3) if k != ctx.argument), strict=True):
            rest = [values[k] for k in range(3) if k != other]
            found.append(ctx.form.partial(other, *rest) if needed else None)
        return tuple(found)
