"""TypedForceField: one force field for any batch of any systems whose types it knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from labkit.base import Evaluation, Neighbours, Potential, State, System
from labkit.errors import LabkitError
from labkit.forcefield.fast.compiled import Started
from labkit.forcefield.forcefield import ForceField
from labkit.forcefield.typed.term import TypedTerm

KEPT = 8  # batches whose force field is kept


class TypedForceField(Potential):
    """E = Σ E_term, with parameters by types: bonded terms follow from `system.bonds`, parameters from `system.types`.

    For a batch it makes an ordinary ForceField (`forcefield`), once, that shares these parameters, so that compiled
    kernels, stresses, `to_openmm` and so on work as usual.

    >>> from labkit.base import State, beads
    >>> from labkit.forcefield import HarmonicBonds, RepulsionCG
    >>> prior = TypedForceField({
    ...     "bonds": TypedTerm(HarmonicBonds, {("CA", "CA"): {"k": 13.0, "r0": 3.8}}),
    ...     "repulsion": TypedTerm(RepulsionCG, {"CA": {"sigma": 4.0, "epsilon": 0.04}}),
    ... })
    >>> two = beads([[0, 0, 0], [3.8, 0, 0]], ["CA"] * 2, 12.0, bonds=[[0, 1]])
    >>> three = beads([[0, 0, 0], [3.8, 0, 0], [5.0, 3.6, 0]], ["CA"] * 3, 12.0, bonds=[[0, 1], [1, 2]])
    >>> prior.evaluate(State.batch([two, three, two], seed=1)).energy.shape
    torch.Size([3])
    """

    def __init__(self, terms: Mapping[str, TypedTerm], *, pair_dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        if not terms:
            raise LabkitError("a force field without terms; give some by name, as in {'bonds': TypedTerm(...)}")
        for name, term in terms.items():
            if not isinstance(term, TypedTerm):
                raise LabkitError(f"term {name}: {type(term).__name__} is not given by types; expected a TypedTerm")
        self.terms = nn.ModuleDict(terms)
        self.cutoff = max(term.cutoff for term in terms.values())
        self._pair_dtype = pair_dtype
        self.single_pairs = pair_dtype == torch.float32  # a plain value, so that it is in a run's fingerprint

    def forcefield(self, system: System) -> ForceField:
        """The ordinary force field of a batch, whose parameters are rows of these, with their gradients.

        Raises LabkitError, naming them and the atoms, for types that are not in the tables.
        """
        kept: dict[System, ForceField] = self.__dict__.setdefault("_forcefields", {})
        if system not in kept:
            if len(kept) >= KEPT:
                kept.pop(next(iter(kept)))
            terms = {name: term.term(system) for name, term in self.terms.items()}
            kept[system] = ForceField(terms, system.n_atoms, pair_dtype=self._pair_dtype)
        return kept[system]

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        return self.forcefield(system).energy(system, positions, cell, neighbours)

    def energies(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> dict[str, Tensor]:
        """Energies (S,) in eV of each term."""
        return self.forcefield(system).energies(system, positions, cell, neighbours)

    def evaluate(self, state: State, **wanted: Any) -> Evaluation:
        return self.forcefield(state.system).evaluate(state, **wanted)

    def compiled(self, state: State) -> Started | None:
        return self.forcefield(state.system).compiled(state)

    def reset(self) -> None:
        super().reset()
        self.__dict__.pop("_forcefields", None)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> TypedForceField:
        self.reset()  # the parameters are replaced
        return super()._apply(fn, recurse)
