"""The fast path of a force field on the CPU: compiled kernels (numba) where there are any, autograd for the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import RLock
from typing import Any, Protocol

import numpy as np
import torch

from labkit.base import Evaluation, Neighbours, Potential, State, System
from labkit.forcefield.fast.pairs import CompiledPairs
from labkit.forcefield.terms.coulomb import Coulomb
from labkit.forcefield.terms.lennard_jones import LennardJones
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.forcefield.terms.pme import Pme
from labkit.forcefield.terms.registry import kernel_of, kernels_of
from labkit.forcefield.terms.term import Term


class Kernel(Protocol):
    """A compiled kernel for some terms of a force field."""

    terms: tuple[Term, ...]

    def begin(self, state: State) -> None:
        """Read the current parameters."""

    def add(
        self, positions: np.ndarray, cells: np.ndarray, energy: np.ndarray, forces: np.ndarray, virial: np.ndarray
    ) -> None:
        """Add energies (S,) eV, forces (n, 3) eV/Å and Σ f ⊗ r (S, 3, 3) eV."""


kernel_of(LennardJones, Coulomb, Pme, together=True)(CompiledPairs.groups)


class Compiled:
    """Energies and forces of one batch for many steps, on arrays and without torch's overhead per step.

    Kernels compute their terms; `rest` is evaluated with autograd, only once if it depends on the cell alone.
    Several threads may use it in turn: kernels keep the lists of the batch that was evaluated last.
    """

    def __init__(self, kernels: Iterable[Kernel], rest: Rest) -> None:
        self.kernels, self.rest = list(kernels), rest
        self._lock, self._prepared_for = RLock(), None

    @classmethod
    def of(cls, terms: Sequence[Term], real: type, cutoff: float) -> Compiled:
        """Kernels for the terms that have one, autograd for the rest; `real` is the precision of pairs."""
        kernels = kernels_of(terms, real)
        return cls(kernels, Rest(terms, {id(term) for kernel in kernels for term in kernel.terms}, cutoff))

    def evaluate(self, state: State, *, forces: bool = True, stress: bool = False) -> Evaluation:
        dtype, state = state.positions.dtype, _double(state)
        found = self.rest.evaluate(state, forces=forces, stress=stress)
        energy, force, virial = found.energy.numpy(), np.zeros(state.positions.shape), np.zeros(state.cell.shape)
        with self._lock:
            self._begin(state)
            for kernel in self.kernels:
                kernel.add(*self._arrays(state), energy, force, virial)
        return Evaluation(
            found.energy.to(dtype),
            (found.forces + torch.from_numpy(force)).to(dtype) if forces else None,
            (found.stress - torch.from_numpy(virial) / state.volume()[:, None, None]).to(dtype) if stress else None,
        )

    def start(self, state: State) -> Started:
        """Prepare for positions of this system, in this cell, with the current parameters."""
        state = _double(state)
        with self._lock:
            self._begin(state)
        return Started(self, state)

    def add(
        self, state: State, positions: np.ndarray, cells: np.ndarray, energy: np.ndarray, forces: np.ndarray
    ) -> None:
        """Add energies (S,) eV and forces (n, 3) eV/Å of what kernels know, for positions of the state's system."""
        virial = np.zeros(cells.shape)
        with self._lock:
            if self._prepared_for is not state.system:  # the potential was asked about other systems meanwhile
                self._begin(state)
            for kernel in self.kernels:
                kernel.add(positions, cells, energy, forces, virial)

    def _begin(self, state: State) -> None:
        self._prepared_for = state.system
        for kernel in self.kernels:
            kernel.begin(state)

    @staticmethod
    def _arrays(state: State) -> tuple[np.ndarray, np.ndarray]:
        return state.positions.detach().contiguous().numpy(), state.cell.detach().contiguous().numpy()


class Started:
    """Kernels for many steps of one system in one cell."""

    def __init__(self, compiled: Compiled, state: State) -> None:
        self._compiled, self._state = compiled, state
        self.kernels, self.rest, self._cells = compiled.kernels, compiled.rest, state.cell.detach().numpy().copy()
        still = self.rest.still
        self._constant = self.rest.evaluate(state, forces=False).energy.numpy() if still else None

    def __call__(self, positions: np.ndarray, forces: np.ndarray) -> np.ndarray:
        """Write forces (n, 3) eV/Å and return energies (S,) eV."""
        if self._constant is None:
            found = self.rest.evaluate(self._state.replace(positions=torch.tensor(positions)), forces=True)
            energy = found.energy.numpy()
            forces[:] = found.forces.numpy()
        else:
            energy = self._constant.copy()
            forces[:] = 0.0
        self._compiled.add(self._state, positions, self._cells, energy, forces)
        return energy


def _double(state: State) -> State:
    """The state in double precision, in which kernels compute whatever the dtype of the state."""
    if state.positions.dtype == torch.float64:
        return state
    return state.replace(positions=state.positions.double(), cell=state.cell.double())


class Rest(Potential):
    """What compiled kernels leave to autograd: terms without a kernel, and parts of terms that kernels leave out."""

    def __init__(self, terms: Iterable[Term], done: set[int], cutoff: float) -> None:
        super().__init__()
        terms = list(terms)
        self.pairs = [t for t in terms if id(t) in done and isinstance(t, PairTerm) and not t.rest_compiled]
        self.others = [term for term in terms if id(term) not in done]
        self.cutoff = cutoff if any(term.cutoff > 0 for term in self.others) else 0.0
        self.still = not self.others  # whether it is independent of the positions

    def evaluate(self, state: State, *, stress: bool = False, forces: bool = True, **wanted: Any) -> Evaluation:
        """Without autograd if nothing depends on the positions."""
        if stress or not self.still:
            return super().evaluate(state, stress=stress, forces=forces, **wanted)
        with torch.no_grad():
            energy = self.energy(state.system, state.positions, state.cell, Neighbours.none("cpu"))
        return Evaluation(energy, torch.zeros_like(state.positions) if forces else None)

    def energy(
        self, system: System, positions: torch.Tensor, cell: torch.Tensor, neighbours: Neighbours
    ) -> torch.Tensor:
        energies = [term.energy(system, positions, cell, neighbours) for term in self.others]
        rests = [term.rest(system, positions, cell) for term in self.pairs]
        energies += [rest for rest in rests if rest is not None]
        return torch.stack(energies).sum(0) if energies else positions.new_zeros(system.n_systems)
