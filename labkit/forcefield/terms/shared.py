"""Parameters that atoms of one kind share, so that a fit has one number for each kind."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from labkit.errors import LabkitError
from labkit.forcefield.terms.term import Term


def share(term: Term, name: str, kinds: Tensor) -> nn.Parameter:
    """Make the parameter `name` (m,) of a term values[kinds], and return `values` (K,), which require gradients.

    kinds (m,) 0 to K - 1; values start as the mean of each kind, also where they were shared before.
    Repeat a force field for replicas before this, not after.
    Raises LabkitError if the kinds do not fit the parameter.

    >>> from labkit.forcefield import Coulomb
    >>> term = Coulomb([-0.8, 0.3, 0.5])
    >>> share(term, "charges", torch.tensor([0, 1, 1])).tolist(), term.charges.tolist()
    ([-0.8, 0.4], [-0.8, 0.4, 0.4])
    """
    if name not in term.VALUES:
        raise LabkitError(f"{type(term).__name__} has no parameter {name!r}; it has {', '.join(term.VALUES)}")
    count = len(getattr(term, name))
    if len(kinds) != count or (count and int(kinds.min()) < 0):
        raise LabkitError(f"{len(kinds)} kinds for {count} values of {name}; give a number from 0 for each")
    if parametrize.is_parametrized(term, name):
        parametrize.remove_parametrizations(term, name)
    parametrize.register_parametrization(term, name, _Shared(kinds))
    return term.parametrizations[name].original.requires_grad_()


def tie(term: Term, name: str, values: nn.Parameter, which: Tensor) -> None:
    """Make the parameter `name` of a term values[which], with values (K, ...) that belong to another module."""
    parametrize.register_parametrization(term, name, _Rows(which), unsafe=True)
    term.parametrizations[name].original = values


class _Rows(nn.Module):
    def __init__(self, which: Tensor) -> None:
        super().__init__()
        self.register_buffer("which", which)

    def forward(self, values: Tensor) -> Tensor:
        # index_select, not [...]: its gradient is an index_add, several times faster
        return values.index_select(0, self.which.flatten()).reshape(*self.which.shape, *values.shape[1:])


class _Shared(nn.Module):
    def __init__(self, kinds: Tensor) -> None:
        super().__init__()
        self.register_buffer("kinds", kinds.long())

    def forward(self, values: Tensor) -> Tensor:
        return values.index_select(0, self.kinds)

    def right_inverse(self, given: Tensor) -> Tensor:
        total = given.new_zeros(int(self.kinds.max()) + 1).index_add(0, self.kinds, given)
        return total / torch.bincount(self.kinds)
