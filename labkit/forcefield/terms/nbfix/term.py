"""Lennard-Jones with separate parameters for each pair of kinds of atoms: CHARMM's NBFIX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from labkit.base import Neighbours, System
from labkit.errors import LabkitError
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.forcefield.terms.registry import kernel_of
from labkit.forcefield.terms.switching import beyond, check_switch, switching
from labkit.forcefield.terms.type_tables import join_tables

if TYPE_CHECKING:
    from labkit.forcefield.fast.nbfix import CompiledNbfix


class Nbfix(PairTerm):
    """E = Σ S(r) (A_kl / r^12 - B_kl / r^6) for atoms of kinds k and l; S as in LennardJones.

    kinds (n,); repulsive A (K, K) eV Å^12 and attractive B (K, K) eV Å^6, both symmetric; exclusions (e, 2)
    cutoff, switch in Å; `long_range_correction` as in LennardJones

    Raises LabkitError for tables that are not symmetric, and kinds that are not in them.

    >>> Nbfix([0, 1, 1], repulsive=[[2.0, 1.0], [1.0, 3.0]], attractive=[[0.1, 0.2], [0.2, 0.1]]).n_atoms
    3
    """

    VALUES = ("repulsive", "attractive")
    SETTINGS = ("reach", "switch", "long_range_correction")
    BY_TYPES = (2,)
    kinds: Tensor

    def __init__(
        self,
        kinds: Any,
        repulsive: Any,
        attractive: Any,
        exclusions: Any = (),
        cutoff: float | None = None,
        switch: float | None = None,
        long_range_correction: bool = False,
    ) -> None:
        super().__init__()
        self._set(
            repulsive=repulsive, attractive=attractive, exclusions=exclusions, reach=cutoff, switch=switch,
            long_range_correction=long_range_correction,
        )  # fmt: skip
        self.register_buffer("kinds", torch.as_tensor(kinds, dtype=torch.int64))
        self._pairs_within(cutoff)
        self._check()

    def _check(self) -> None:
        size = len(self.repulsive)
        for name in self.VALUES:
            table = getattr(self, name)
            if table.shape != (size, size) or not torch.allclose(table, table.mT, rtol=1e-9, atol=0):
                raise LabkitError(f"Nbfix: {name} of shape {tuple(table.shape)}, expected ({size}, {size}), symmetric")
        wrong = torch.nonzero((self.kinds < 0) | (self.kinds >= size)).flatten().tolist()
        if wrong:
            raise LabkitError(
                f"Nbfix: atom {wrong[0]} is of kind {int(self.kinds[wrong[0]])}, but the tables have kinds 0 to "
                f"{size - 1}"
            )
        check_switch("Nbfix", self.switch, self.reach, self.long_range_correction)

    @property
    def n_atoms(self) -> int:
        return len(self.kinds)

    def tables(self) -> tuple[Tensor, Tensor, Tensor]:
        """Kinds (n,) of the atoms, and A and B (K, K) of their pairs."""
        return self.kinds, self.repulsive, self.attractive

    @classmethod
    def batch(cls, terms: Sequence[Self], starts: Sequence[int]) -> Self:
        kinds, tables = join_tables([t.kinds for t in terms], [(t.repulsive, t.attractive) for t in terms])
        for term in terms[1:]:
            if term.settings() != terms[0].settings():
                raise LabkitError(
                    f"Nbfix: {terms[0].settings()} in one system of a batch, {term.settings()} in another"
                )
        exclusions = torch.cat([t.exclusions + start for t, start in zip(terms, starts, strict=True)])
        return cls(kinds, *tables, exclusions, **terms[0].settings())

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        (i, j, _), vectors = self.pairs(system, positions, cell, neighbours)
        r2 = vectors.square().sum(1)
        pair = self.kinds.index_select(0, i), self.kinds.index_select(0, j)
        inv6 = r2**-3
        u = (self.repulsive[pair] * inv6 - self.attractive[pair]) * inv6
        if self.switch is not None:
            u = u * switching(r2.sqrt(), self.switch, self.reach)
        energy, rest = self._sum(system, i, u), self.rest(system, positions, cell)
        return energy if rest is None else energy + rest

    def rest(self, system: System, positions: Tensor, cell: Tensor) -> Tensor | None:
        """The long-range correction, or None."""
        if not self.long_range_correction:
            return None
        count = self.repulsive.new_zeros(system.n_systems, len(self.repulsive))
        count = count.index_put((system.index, self.kinds), self.repulsive.new_ones(()), accumulate=True)
        return beyond(self.repulsive, self.attractive, count, self.switch, self.reach) / torch.linalg.det(cell).abs()


@kernel_of(Nbfix)
def _kernel(term: Nbfix, real: type) -> CompiledNbfix:
    from labkit.forcefield.fast.nbfix import CompiledNbfix

    return CompiledNbfix([term])
