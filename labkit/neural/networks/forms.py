"""The three trilinear forms of TensorNet: edges to atoms, messages between atoms, products of matrices at an atom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from labkit.neural.networks.trilinear import Partial, Trilinear

PART = torch.tensor([0, 1, 1, 1, 2, 2, 2, 2, 2])  # of a component: scalar, antisymmetric, symmetric and traceless


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges e from atoms j to atoms i, sorted by i; both directions of a pair share a row of radial functions.

    i, j, pair  (E,)
    """

    i: Tensor
    j: Tensor
    pair: Tensor
    n_atoms: int
    n_pairs: int

    def with_more_atoms(self, count: int) -> Edges:
        """The same edges, with more atoms after the others, which have no edges."""
        kept = self.__dict__.setdefault("_extended", {})
        if count not in kept:
            kept[count] = replace(self, n_atoms=self.n_atoms + count)
        return kept[count]

    def twice(self) -> Edges:
        """These edges and a copy of them between a second set of atoms."""
        i, j = (torch.cat([x, x + self.n_atoms]) for x in (self.i, self.j))
        return Edges(i, j, torch.cat([self.pair, self.pair + self.n_pairs]), 2 * self.n_atoms, 2 * self.n_pairs)

    @cached_property
    def arrays(self) -> tuple[np.ndarray, ...]:
        first = np.concatenate([[0], np.cumsum(np.bincount(self.i.numpy(), minlength=self.n_atoms))])
        return first, self.j.numpy(), self.pair.numpy()

    def kinds(self, species: Tensor, n_species: int) -> Tensor:
        """The two species of each pair (P,), in either order, as a number below n_species²."""
        a, b = species.index_select(0, self.i), species.index_select(0, self.j)
        key = torch.minimum(a, b) * n_species + torch.maximum(a, b)
        return key.new_zeros(self.n_pairs).index_copy_(0, self.pair, key)

    @cached_property
    def embedding(self) -> Trilinear:
        """T(f, y, g) = Σ f[pair, t, c] y[e, k] g[k, i, c]: f (P, 3, C) radial, y (E, 9) angular, g (9, n, C)."""
        return Trilinear((self._radial, self._angular, self._atoms))

    @cached_property
    def messages(self) -> Trilinear:
        """T(f, x, g) = Σ f[pair, t, c] x[k, j, c] g[k, i, c]: f (P, 3, C), x and g (9, n, C)."""
        return Trilinear((self._overlap, self._scatter, self._gather))

    def _new(self, like: Tensor, *shape: int) -> tuple[Tensor, np.ndarray]:
        out = like.new_zeros(shape)
        return out, out.numpy()

    def _atoms(self, f: Tensor, y: Tensor) -> Tensor:
        if not f.is_cpu:
            values = f.index_select(0, self.pair).index_select(1, PART.to(f.device)) * y[:, :, None]
            return f.new_zeros(self.n_atoms, 9, f.shape[2]).index_add(0, self.i, values).transpose(0, 1)
        from labkit.neural.networks.kernels import edges_to_atoms

        (first, _, pair), (out, array) = self.arrays, self._new(f, 9, self.n_atoms, f.shape[2])
        edges_to_atoms(f.numpy(), y.numpy(), first, pair, array)
        return out

    def _radial(self, y: Tensor, g: Tensor) -> Tensor:
        if not g.is_cpu:
            values = g.index_select(1, self.i).transpose(0, 1) * y[:, :, None]
            parts = g.new_zeros(len(y), 3, g.shape[2]).index_add(1, PART.to(g.device), values)
            return g.new_zeros(self.n_pairs, *parts.shape[1:]).index_add(0, self.pair, parts)
        from labkit.neural.networks.kernels import atoms_to_radial

        (first, _, pair), (out, array) = self.arrays, self._new(g, self.n_pairs, 3, g.shape[2])
        atoms_to_radial(y.numpy(), g.numpy(), first, pair, array)
        return out

    def _angular(self, f: Tensor, g: Tensor) -> Tensor:
        if not g.is_cpu:
            values = f.index_select(0, self.pair).index_select(1, PART.to(f.device))
            return (values * g.index_select(1, self.i).transpose(0, 1)).sum(2)
        from labkit.neural.networks.kernels import atoms_to_angular

        (first, _, pair), (out, array) = self.arrays, self._new(g, len(self.i), 9)
        atoms_to_angular(f.numpy(), g.numpy(), first, pair, array)
        return out

    def _gather(self, f: Tensor, x: Tensor) -> Tensor:
        if not x.is_cpu:
            weights = f.index_select(0, self.pair).index_select(1, PART.to(f.device)).transpose(0, 1)
            return torch.zeros_like(x).index_add(1, self.i, weights * x.index_select(1, self.j))
        from labkit.neural.networks.kernels import gather

        out, array = self._new(x, *x.shape)
        gather(f.numpy(), x.numpy(), *self.arrays, array)
        return out

    def _scatter(self, f: Tensor, g: Tensor) -> Tensor:
        if not g.is_cpu:
            return replace(self, i=self.j, j=self.i)._gather(f, g)
        from labkit.neural.networks.kernels import scatter

        out, array = self._new(g, *g.shape)
        scatter(f.numpy(), g.numpy(), *self.arrays, array)
        return out

    def _overlap(self, x: Tensor, g: Tensor) -> Tensor:
        if not g.is_cpu:
            values = (x.index_select(1, self.j) * g.index_select(1, self.i)).transpose(0, 1)
            parts = g.new_zeros(len(self.i), 3, g.shape[2]).index_add(1, PART.to(g.device), values)
            return g.new_zeros(self.n_pairs, *parts.shape[1:]).index_add(0, self.pair, parts)
        from labkit.neural.networks.kernels import overlap

        out, array = self._new(g, self.n_pairs, 3, g.shape[2])
        overlap(x.numpy(), g.numpy(), *self.arrays, array)
        return out


def _basis() -> Tensor:
    """The nine orthonormal matrices (9, 3, 3) that components refer to."""
    e = torch.zeros(9, 3, 3, dtype=torch.float64)
    e[0] = torch.eye(3, dtype=torch.float64) / 3**0.5
    for k, (a, b) in enumerate(((2, 1), (0, 2), (1, 0))):
        e[1 + k, a, b], e[1 + k, b, a] = 0.5**0.5, -(0.5**0.5)
    e[4, 0, 0], e[4, 1, 1] = 0.5**0.5, -(0.5**0.5)
    e[5] = torch.diag(torch.tensor([-1.0, -1.0, 2.0], dtype=torch.float64)) / 6**0.5
    for k, (a, b) in enumerate(((0, 1), (1, 2), (0, 2))):
        e[6 + k, a, b] = e[6 + k, b, a] = 0.5**0.5
    return e


BASIS = _basis()


def _matrices(x: Tensor, sign: float) -> Tensor:
    """Matrices (n, C, 3, 3) from components; transposed if `sign` is -1."""
    flip = 1 + (sign - 1) * (PART == 1).to(x)[:, None, None]
    return torch.einsum("kab,knc->ncab", BASIS.to(x), x * flip)


def _product(sign: float, other: float, left: float, right: float) -> Partial:
    """The components of left · AB + right · BA; A and B are arguments, transposed where their sign is -1."""

    def partial(a: Tensor, b: Tensor) -> Tensor:
        if not a.is_cpu:
            first, second = _matrices(a, sign), _matrices(b, other)
            return torch.einsum("kab,ncab->knc", BASIS.to(a), left * (first @ second) + right * (second @ first))
        from labkit.neural.networks.kernels import product

        out, real = torch.empty_like(a), (np.float32 if a.dtype == torch.float32 else np.float64)
        product(a.numpy(), b.numpy(), real(sign), real(other), real(left), real(right), out.numpy())
        return out

    return partial


def _products(left: float, right: float) -> Trilinear:
    """T(y, m, g) = Σ g (left · YM + right · MY) in components (9, n, C).

    ∂T/∂Y = left · G Mᵀ + right · Mᵀ G, and so on: each is a product of the same kind.
    """
    return Trilinear((_product(-1, 1, right, left), _product(-1, 1, left, right), _product(1, 1, left, right)))


#: by whether mirror images are equal: YM + MY, and 2 YM
PRODUCTS = {True: _products(1.0, 1.0), False: _products(2.0, 0.0)}
