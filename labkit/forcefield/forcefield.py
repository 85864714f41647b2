"""ForceField: the terms of one topology, or of a batch of them, as one potential."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labkit.base import Evaluation, Neighbours, Potential, State, System
from labkit.config import compiler
from labkit.errors import LabkitError
from labkit.forcefield.fast.compiled import Compiled, Started
from labkit.forcefield.terms.degenerate import check_apart
from labkit.forcefield.terms.term import Term


class ForceField(Potential):
    """E = Σ E_term, for the `n_atoms` atoms of a system, or of all systems of a batch.

    pair_dtype   torch.float32: on the CPU Lennard-Jones and electrostatics of near pairs are computed in single
                 precision and summed in double; forces then have a relative error of about 1e-6, see `pairs_in`
    constrained  pairs (m, 2) of atoms without a bond term, because constraints hold them: a run without these warns

    >>> from ase.build import molecule
    >>> from labkit.base import State
    >>> from labkit.forcefield import HarmonicAngles, HarmonicBonds
    >>> bonds = HarmonicBonds([[0, 1], [0, 2]], k=40.0, r0=0.96)
    >>> water = ForceField({"bonds": bonds, "angles": HarmonicAngles([[1, 0, 2]], k=3.0, theta0=1.82)}, n_atoms=3)
    >>> three = State.from_atoms([molecule("H2O")] * 3)
    >>> water.repeat(3).evaluate(three).energy.shape
    torch.Size([3])
    """

    def __init__(
        self,
        terms: Mapping[str, Term],
        n_atoms: int,
        *,
        pair_dtype: torch.dtype = torch.float64,
        constrained: Any = (),
    ) -> None:
        super().__init__()
        if pair_dtype not in (torch.float32, torch.float64):
            raise LabkitError(f"pair_dtype is {pair_dtype}; expected torch.float32 or torch.float64")
        self.single_pairs = pair_dtype == torch.float32  # a plain value, so that it is in a run's fingerprint
        if not terms:
            raise LabkitError("a force field without terms; give some by name, as in {'bonds': HarmonicBonds(...)}")
        for name, term in terms.items():
            if not isinstance(term, Term):
                raise LabkitError(
                    f"term {name}: {type(term).__name__} is not a term; add it instead: forcefield + {name}"
                )
        self.terms = nn.ModuleDict(terms)
        self.n_atoms = n_atoms
        pairs = torch.as_tensor(constrained, dtype=torch.int64).reshape(-1, 2)
        self.register_buffer("constrained", pairs, persistent=False)
        for name, term in terms.items():
            for key in term.INDICES:
                index = getattr(term, key)
                if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < n_atoms:
                    raise LabkitError(f"term {name}: {key} names atom {int(index.max())} of {n_atoms} atoms")

    @property
    def cutoff(self) -> float:
        """Å, the largest of a term."""
        return max(term.cutoff for term in self.terms.values())

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        self.check(system)
        return torch.stack(list(self.energies(system, positions, cell, neighbours).values())).sum(0)

    def energies(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> dict[str, Tensor]:
        """Energies (S,) in eV of each term."""
        return {name: term.energy(system, positions, cell, neighbours) for name, term in self.terms.items()}

    def check(self, system: System) -> None:
        """Raise LabkitError if the system does not have the atoms that this force field is for."""
        if system.n_atoms != self.n_atoms:
            raise LabkitError(
                f"this force field is for {self.n_atoms} atoms, but the state has {system.n_atoms}; for replicas use "
                "forcefield.repeat(n), for different systems ForceField.batch([a, b])"
            )

    def pairs_in(self, dtype: torch.dtype) -> ForceField:
        """This force field, with the same terms, computing near pairs in torch.float32 or torch.float64."""
        return type(self)(dict(self.terms), self.n_atoms, pair_dtype=dtype, constrained=self.constrained)

    @property
    def _pairs(self) -> dict[str, torch.dtype]:
        return {"pair_dtype": torch.float32 if self.single_pairs else torch.float64}

    def evaluate(
        self, state: State, *, create_graph: bool = False, per_atom: bool = False, **wanted: Any
    ) -> Evaluation:
        """As any potential; on the CPU with compiled kernels, in double precision, unless a graph is requested."""
        fast = None if create_graph or per_atom else self._fast(state)
        if fast is None:
            return super().evaluate(state, create_graph=create_graph, per_atom=per_atom, **wanted)
        wanted.pop("neighbours", None)  # kernels have their own lists
        found = fast.evaluate(state, **wanted)
        if not bool(torch.isfinite(found.energy.sum() + (0.0 if found.forces is None else found.forces.sum()))):
            self._explain(state)
        return found

    def _explain(self, state: State) -> None:
        """Raise LabkitError, naming atoms, if two are at the same place or a row of a term has no energy."""
        system, positions, cell = state.system, state.positions, state.cell
        if not bool(torch.isfinite(positions).all()):
            return  # a run reports the step
        check_apart(system, positions, cell)
        with torch.no_grad():
            for term in self.terms.values():
                if "atoms" in term.INDICES:
                    term.energy(system, positions, cell, Neighbours.none("cpu"))

    def compiled(self, state: State) -> Started | None:
        fast = self._fast(state)
        return None if fast is None else fast.start(state)

    def _fast(self, state: State) -> Compiled | None:
        self.check(state.system)
        if state.positions.device.type != "cpu" or not compiler():
            return None
        terms = list(self.terms.values())
        made_of = [(term, term.settings()) for term in terms]  # kernels are made of these and read values each time
        kept = self.__dict__.get("_kernels")
        if kept is None or self.__dict__["_made_of"] != made_of:
            real = np.float32 if self.single_pairs else np.float64
            self.__dict__["_made_of"] = made_of
            kept = self.__dict__["_kernels"] = Compiled.of(terms, real, self.cutoff)
        return kept

    def reset(self) -> None:
        super().reset()
        self.__dict__.pop("_kernels", None)

    def __getstate__(self) -> dict[str, Any]:
        """All but the kernels, of which a copy makes its own."""
        return {key: value for key, value in self.__dict__.items() if key not in ("_kernels", "_made_of")}

    @classmethod
    def batch(cls, forcefields: Sequence[ForceField]) -> ForceField:
        """One force field for a batch of different systems, in order; a term that a system lacks is empty for it."""
        counts = [f.n_atoms for f in forcefields]
        starts = [sum(counts[:k]) for k in range(len(counts))]
        terms: dict[str, Term] = {}
        for name in dict.fromkeys(name for f in forcefields for name in f.terms):
            having = [(f, s) for f, s in zip(forcefields, starts, strict=True) if name in f.terms]
            kind = having[0][0].terms[name].kind
            if "atoms" not in kind.INDICES and len(having) < len(forcefields):
                raise LabkitError(f"term {name}: some systems of the batch have no parameters for it; give them zeros")
            terms[name] = kind.batch([f.terms[name] for f, _ in having], [s for _, s in having])
        if len({f.single_pairs for f in forcefields}) > 1:
            raise LabkitError(
                "some force fields of the batch compute pairs in float32, others in float64; use pairs_in"
            )
        held = torch.cat([f.constrained + start for f, start in zip(forcefields, starts, strict=True)])
        return cls(terms, sum(counts), constrained=held, **forcefields[0]._pairs)

    def repeat(self, times: int) -> ForceField:
        """This force field for `times` replicas in one batch."""
        terms = {name: term.repeated(times, self.n_atoms) for name, term in self.terms.items()}
        starts = self.n_atoms * torch.arange(times, device=self.constrained.device)
        held = (self.constrained + starts[:, None, None]).reshape(-1, 2)
        return type(self)(terms, times * self.n_atoms, constrained=held, **self._pairs)
