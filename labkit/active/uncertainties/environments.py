"""Surroundings of atoms as vectors, for distances to those that a model has learned from."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from labkit.active.uncertainties.parts import followed, parts_of
from labkit.active.uncertainty import Spread, in_quadrature
from labkit.base import Evaluation, Potential, State
from labkit.base.frames import batches
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap import GapModel
from labkit.gap.soap_term import SoapTerm
from labkit.neural import NeuralPotential

#: kind of atom -> (its atoms (m,), their vectors (m, F))
Environments = dict[int, tuple[Tensor, Tensor]]


def environments(model: NeuralPotential | GapModel, state: State) -> Environments:
    """Last-layer features of a network, or SOAP vectors of a GAP, by species; differentiable if the positions are.

    Vectors of several SOAP terms are joined.
    """
    system = state.system
    if isinstance(model, NeuralPotential):
        vectors, kinds = model.features(state)[0], model.species_of(system)
        atoms = {int(k): torch.nonzero(kinds == k).squeeze(1) for k in kinds.unique()}
        return {k: (mine, vectors.index_select(0, mine).to(torch.float64)) for k, mine in atoms.items()}
    dtype = model.weights.dtype
    state = state.replace(positions=state.positions.to(dtype), cell=state.cell.to(dtype))
    found: dict[int, list[Tensor]] = {}
    system.check_species(model.species)
    near = model.neighbours(state)
    for term in model.terms:
        if isinstance(term, SoapTerm):
            vectors = term.descriptor(system, state.positions, state.cell, near).to(torch.float64)
            for z in term.centres:
                if z in system.of_species:
                    found.setdefault(z, []).append(vectors.index_select(0, system.of_species[z]))
    return {z: (system.of_species[z], torch.cat(vectors, 1)) for z, vectors in found.items()}


def known_environments(model: NeuralPotential | GapModel, known: Dataset) -> dict[int, Tensor]:
    """The vectors (N, F) of all atoms of some frames, by species."""
    parts: dict[int, list[Tensor]] = {}
    for batch in batches(known.counts):
        for kind, (_, vectors) in environments(model, known.state([int(k) for k in batch])).items():
            parts.setdefault(kind, []).append(vectors.detach())
    return {kind: torch.cat(vectors) for kind, vectors in parts.items()}


class LatentDistance(ABC):
    """Distances, without a unit, from an atom's vector to those of known atoms of its species; not calibrated.

    Vectors are the last-layer features of a network, or the SOAP vectors of a GAP. Per system: that of the farthest
    atom. A distance says that nothing like it is known, not how large an error is. It is 0 for atoms that no SOAP term
    of the GAP describes, as where `centre` is another species.
    """

    def __init__(self, potential: Potential, known: Dataset) -> None:
        name = type(self).__name__
        self.models = [*parts_of(potential, NeuralPotential), *parts_of(potential, GapModel)]
        if not self.models:
            raise LabkitError(
                f"{name}: {type(potential).__name__} has no features; give a NeuralPotential or a GapModel, or a sum"
            )
        if not len(known):
            raise LabkitError(f"{name}: no known frames were given; give those that the potential was trained on")
        self.known = []
        for model in self.models:
            found = known_environments(model, known)
            if not found:
                raise LabkitError(f"{name}: the GAP has pair terms only, which describe no environments; add Soap(...)")
            self.known.append({kind: self.learn(vectors) for kind, vectors in found.items()})

    @abstractmethod
    def learn(self, vectors: Tensor) -> tuple[Tensor, ...]:
        """What is kept of known vectors (N, F) of one species."""

    @abstractmethod
    def distance(self, vectors: Tensor, *known: Tensor) -> Tensor:
        """Distances (m,) of vectors (m, F) from what is kept."""

    def __call__(self, state: State, evaluation: Evaluation | None = None) -> Spread:
        """The distances at a state. Raises LabkitError for an atom of a species without known environments."""
        spreads, dtype = [], state.positions.dtype
        for model, known in zip(self.models, self.known, strict=True):
            with torch.set_grad_enabled(followed(state)):
                atoms = state.positions.new_zeros(state.system.n_atoms)
                for kind, (mine, vectors) in environments(model, state).items():
                    if kind not in known:
                        raise LabkitError(
                            f"{type(self).__name__}: atom {int(mine[0])} is of a species that no known frame has; give "
                            "frames with it"
                        )
                    atoms = atoms.index_put((mine,), self.distance(vectors, *known[kind]).to(dtype))
                spread = Spread(atoms.new_zeros(state.system.n_systems), "", atoms, "")
                spreads.append(Spread(spread.max_over_atoms(state.system), "", atoms, ""))
        return in_quadrature(spreads)
