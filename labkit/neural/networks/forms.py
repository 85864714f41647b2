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

    def embedding_back(self, f: Tensor, slope: Tensor, y: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients by distances (K, P) and angular functions (K, E, 9) of <g, ∂T/∂g> of the embedding, g (9, K, n, C).

        slope  (P, 3, C) derivatives of f by the distance
        """
        if not g.is_cpu:
            parts = [(self._radial(y, one), self._angular(f, one)) for one in g.unbind(1)]
            return torch.stack([(r * slope).sum((1, 2)) for r, _ in parts]), torch.stack([a for _, a in parts])
        from labkit.neural.networks.kernels import embedding_back

        (first, _, pair), g = self.arrays, g.permute(1, 2, 0, 3).contiguous()
        moved, turned = g.new_zeros(len(g), self.n_pairs), g.new_empty(len(g), len(self.i), 9)
        embedding_back(f.numpy(), slope.numpy(), y.numpy(), g.numpy(), first, pair, moved.numpy(), turned.numpy())
        return moved, turned

    def messages_back(self, f: Tensor, slope: Tensor, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients by distances (K, P) and features (9, K, n, C) of <g, ∂T/∂g> of the messages, g (9, K, n, C).

        slope  (P, 3, C) derivatives of f by the distance
        """
        if not g.is_cpu:
            moved = torch.stack([(self._overlap(x, one) * slope).sum((1, 2)) for one in g.unbind(1)])
            return moved, torch.stack([self._scatter(f, one) for one in g.unbind(1)], 1)
        from labkit.neural.networks.kernels import messages_back

        g, x = g.permute(1, 2, 0, 3).contiguous(), x.transpose(0, 1).contiguous()
        moved, out = g.new_zeros(len(g), self.n_pairs), torch.zeros_like(g)
        messages_back(f.numpy(), slope.numpy(), x.numpy(), g.numpy(), *self.arrays, moved.numpy(), out.numpy())
        return moved, out.permute(2, 0, 1, 3)

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
    """The components of left · AB + right · BA; A and B are arguments, transposed where their sign is -1.

    One of them may have K times as many rows, for K gradients.
    """

    def partial(a: Tensor, b: Tensor) -> Tensor:
        if not a.is_cpu:
            a, b = (x.repeat(1, max(1, y.shape[1] // x.shape[1]), 1) for x, y in ((a, b), (b, a)))
            first, second = _matrices(a, sign), _matrices(b, other)
            return torch.einsum("kab,ncab->knc", BASIS.to(a), left * (first @ second) + right * (second @ first))
        from labkit.neural.networks.kernels import product

        out = torch.empty_like(a if a.shape[1] >= b.shape[1] else b)
        real = np.float32 if a.dtype == torch.float32 else np.float64
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

#: (Y, G) -> the derivative of ½ Σ G (left · YY + right · YY) with respect to Y, as left + right = 2 for both
SQUARE_BACK = _product(-1, 1, 1.0, 1.0)
