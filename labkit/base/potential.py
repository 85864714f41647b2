"""Potential: an energy, differentiable in positions and cell, its forces and stress; sums and committees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from labkit.base.lattice import check_cells
from labkit.base.neighbour_list import NeighbourList
from labkit.base.neighbours import Neighbours
from labkit.base.state import State
from labkit.base.system import System
from labkit.errors import LabkitError

if TYPE_CHECKING:
    from labkit.base.calculator import Calculator


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The results of a potential at a state; None for what was not requested.

    energy    (S,)      eV
    forces    (n, 3)    eV/Å
    stress    (S, 3, 3) eV/Å^3, +(1/V) dE/dstrain (virial = -V stress)
    per_atom  (n,)      eV, sums to the energy
    members             of a Committee: the same of its M members, with M as the first dimension: energy (M, S), ...
    parts               of a Sum: the evaluations of its potentials, in their order
    """

    energy: Tensor
    forces: Tensor | None = None
    stress: Tensor | None = None
    per_atom: Tensor | None = None
    members: Evaluation | None = None
    parts: tuple[Evaluation, ...] = ()


#: (positions (n, 3) Å, forces (n, 3) eV/Å to be written) -> energies (S,) eV
Compiled = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Potential(nn.Module):
    """Base class of all potentials. A subclass sets `cutoff` [Å] and writes `energy` or `atomic_energies`.

    Forces are -dE/dr and stresses (1/V) dE/dstrain, by autograd.

    >>> from ase.build import molecule
    >>> class Spring(Potential):
    ...     cutoff = 2.0
    ...     def energy(self, system, positions, cell, neighbours):
    ...         near, vectors = neighbours.within(self.cutoff, positions, cell)
    ...         energy = 0.25 * (vectors.norm(dim=1) - 1.0) ** 2  # half of 1/2: each pair appears twice
    ...         return energy.new_zeros(system.n_systems).index_add(0, near.index, energy)
    >>> tuple(Spring().evaluate(State.from_atoms(molecule("H2O"))).forces.shape)
    (3, 3)
    """

    cutoff: float
    #: Å added to the cutoff when the neighbour list is built
    skin: float = 0.5

    #: buffers that stay in double precision when the rest is cast to single: energies of isolated atoms, scales
    exact: tuple[str, ...] = ()

    @property
    def dtype(self) -> torch.dtype | None:
        """That of its parameters, or of its buffers if it has none; None for a potential without either.

        A potential of single precision takes states of double precision: vectors of pairs are taken in double and
        cast, energies of atoms are summed in double.
        """
        for values in (self.parameters(), (b for n, b in self.named_buffers() if n.split(".")[-1] not in self.exact)):
            for value in values:
                if value.is_floating_point():
                    return value.dtype
        return None

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        """Energies (S,) in eV; differentiable. `neighbours` may hold pairs beyond the cutoff."""
        atomic = self.atomic_energies(system, positions, cell, neighbours)
        return system.sum_over_atoms(atomic.to(torch.promote_types(atomic.dtype, positions.dtype)))

    def atomic_energies(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        """Energies (n,) in eV that sum to the energy of the system, if the model has them."""
        raise LabkitError(f"{type(self).__name__} has no energies per atom; use per_atom=False")

    def neighbours(self, state: State) -> Neighbours:
        """The neighbours of a state, from a list that this potential keeps with its skin."""
        if self.cutoff <= 0:
            return Neighbours.none(state.positions.device)
        kept = self.__dict__.get("_neighbour_list")
        if kept is None or (kept.cutoff, kept.skin) != (self.cutoff, self.skin):
            kept = self.__dict__["_neighbour_list"] = NeighbourList(self.cutoff, self.skin)
        return kept(state)

    def reset(self) -> None:
        """Discard what is kept between evaluations, such as a neighbour list; results agree up to rounding.

        Which pairs beyond the cutoff a list holds, and so the order of sums, depends on when it was built. A resumed
        run is equal to the bit to one that was never interrupted only if both build the list at the checkpoint.
        """
        for value in vars(self).values():
            if isinstance(value, NeighbourList):
                value.reset()
        for child in self.children():
            for part in child if isinstance(child, nn.ModuleList) else [child]:
                if isinstance(part, Potential):
                    part.reset()

    def evaluate(
        self,
        state: State,
        *,
        forces: bool = True,
        stress: bool = False,
        per_atom: bool = False,
        create_graph: bool = False,
        neighbours: Neighbours | None = None,
    ) -> Evaluation:
        """Compute what is requested; with `create_graph` the result can be differentiated again.

        neighbours   all pairs within the cutoff at these positions, if they are known; otherwise they are searched
        """
        if stress:
            check_cells(state.cell.detach().cpu().numpy(), state.system.pbc.cpu().numpy())
            state.check_volume()
        system = state.system
        neighbours = self.neighbours(state) if neighbours is None else neighbours
        if self.dtype not in (None, state.positions.dtype):
            neighbours = replace(neighbours, dtype=self.dtype)
        with torch.set_grad_enabled(create_graph or forces or stress):
            positions, cell = state.positions, state.cell
            if forces and not positions.requires_grad:
                positions = positions.detach().requires_grad_()
            moved, strained, strain = positions, cell, None
            if stress:
                strain = torch.zeros_like(cell, requires_grad=True)
                deformation = torch.eye(3, dtype=cell.dtype, device=cell.device) + 0.5 * (strain + strain.mT)
                moved = torch.einsum("na,nab->nb", positions, deformation[system.index])
                strained = cell @ deformation
            if per_atom:
                atomic = self.atomic_energies(system, moved, strained, neighbours)
                energy = system.sum_over_atoms(atomic.to(torch.promote_types(atomic.dtype, positions.dtype)))
            else:
                atomic, energy = None, self.energy(system, moved, strained, neighbours)
            wanted = [t for t in (positions if forces else None, strain) if t is not None]
            grads = self._gradients(energy, wanted, create_graph)
        gradient = -grads.pop(0) if forces else None
        tension = grads.pop(0) / state.volume()[:, None, None] if stress else None
        if not create_graph:
            energy, atomic = energy.detach(), None if atomic is None else atomic.detach()
        return Evaluation(energy, gradient, tension, atomic)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Potential:
        exact = {name: getattr(self, name) for name in self.exact}
        super()._apply(fn, recurse)
        for name, value in exact.items():
            setattr(self, name, value.to(fn(value).device))
        return self

    @staticmethod
    def _gradients(energy: Tensor, wanted: list[Tensor], create_graph: bool) -> list[Tensor]:
        if not wanted:
            return []
        if not energy.requires_grad:  # a constant, such as the energy of isolated atoms
            return [torch.zeros_like(t) for t in wanted]
        found = torch.autograd.grad(energy.sum(), wanted, create_graph=create_graph, allow_unused=True)
        return [torch.zeros_like(t) if g is None else g for t, g in zip(wanted, found, strict=True)]

    def compiled(self, state: State) -> Compiled | None:
        """This potential as a function of arrays for positions of this system in this cell, if possible.

        It writes forces (n, 3) and returns energies (S,), with the present parameters; dynamics on the CPU use it for
        many steps at once. None, as here, if there is only `evaluate`.
        """
        return None

    def calculator(self) -> Calculator:
        """This potential as an ASE calculator."""
        from labkit.base.calculator import Calculator

        return Calculator(self)

    def __add__(self, other: Potential) -> Sum:
        return Sum([self, other])


def _total(parts: Sequence[Tensor | None]) -> Tensor | None:
    known = [p for p in parts if p is not None]
    return torch.stack(known).sum(0) if known else None


class Sum(Potential):
    """E = E_1 + E_2 + ...; its evaluation keeps those of its potentials as `parts`."""

    def __init__(self, potentials: Sequence[Potential]) -> None:
        super().__init__()
        flat = [q for p in potentials for q in (p.potentials if isinstance(p, Sum) else [p])]
        self.potentials = nn.ModuleList(flat)
        self.cutoff = max(p.cutoff for p in flat)

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        return torch.stack([p.energy(system, positions, cell, neighbours) for p in self.potentials]).sum(0)

    def atomic_energies(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        return torch.stack([p.atomic_energies(system, positions, cell, neighbours) for p in self.potentials]).sum(0)

    def compiled(self, state: State) -> Compiled | None:
        """All parts on arrays; None if one is not compiled, as a time-dependent part must not be."""
        parts = [p.compiled(state) for p in self.potentials]
        if not all(parts):
            return None

        def total(positions: np.ndarray, forces: np.ndarray) -> np.ndarray:
            energy, part = parts[0](positions, forces), np.empty_like(forces)
            for compute in parts[1:]:
                energy = energy + compute(positions, part)
                forces += part
            return energy

        return total

    def evaluate(self, state: State, **wanted: Any) -> Evaluation:
        """Each part is evaluated with its own method (analytic forces stay analytic) and the results are added."""
        parts = tuple(p.evaluate(state, **wanted) for p in self.potentials)
        return Evaluation(
            energy=torch.stack([e.energy for e in parts]).sum(0),
            forces=_total([e.forces for e in parts]),
            stress=_total([e.stress for e in parts]),
            per_atom=_total([e.per_atom for e in parts]),
            parts=parts,
        )


class Committee(Potential):
    """The mean of M models; its evaluation keeps their results, whose spread labkit.active.CommitteeSpread computes.

    threads  members evaluated at the same time; more than one only for members that share nothing, as networks do
             after `labkit.neural.train_committee`. Results are the same.

    Raises LabkitError for fewer than two models.
    """

    def __init__(self, potentials: Sequence[Potential], *, threads: int = 1) -> None:
        super().__init__()
        self._threads = threads  # private, as it does not count in what describes a potential: results are the same
        if len(potentials) < 2:
            raise LabkitError(f"a committee of {len(potentials)} has no spread; give at least 2 models")
        self.potentials = nn.ModuleList(potentials)
        self.cutoff = max(p.cutoff for p in potentials)

    @property
    def threads(self) -> int:
        """How many members are evaluated at the same time."""
        return self._threads

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        return torch.stack([p.energy(system, positions, cell, neighbours) for p in self.potentials]).mean(0)

    def atomic_energies(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        return torch.stack([p.atomic_energies(system, positions, cell, neighbours) for p in self.potentials]).mean(0)

    def evaluate(self, state: State, *, neighbours: Neighbours | None = None, **wanted: bool) -> Evaluation:
        """Means of the requested results, and those of each member; neighbours are searched once for all members."""
        near = self.neighbours(state) if neighbours is None else neighbours
        every = self._each(lambda p: p.evaluate(state, neighbours=near, **wanted))

        def stacked(name: str) -> Tensor | None:
            values = [getattr(e, name) for e in every]
            return None if any(v is None for v in values) else torch.stack(values)

        found = {name: stacked(name) for name in ("energy", "forces", "stress", "per_atom")}
        means = {name: None if values is None else values.mean(0) for name, values in found.items()}
        return Evaluation(**means, members=Evaluation(**found))

    def _each(self, function: Callable[[Potential], Evaluation]) -> list[Evaluation]:
        """Results of a function of each member."""
        if self.threads < 2:
            return [function(p) for p in self.potentials]
        graph = torch.is_grad_enabled()  # which every thread has for itself

        def one(p: Potential) -> Evaluation:
            with torch.set_grad_enabled(graph):
                return function(p)

        with ThreadPoolExecutor(min(self.threads, len(self.potentials))) as pool:
            return list(pool.map(one, self.potentials))
