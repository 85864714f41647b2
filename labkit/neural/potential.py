"""NeuralPotential: a network's energies, scaled and added to those of isolated atoms."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labkit.base import ELEMENTS, Evaluation, Neighbours, Potential, State, System, Vocabulary
from labkit.base.lattice import check_cells
from labkit.errors import LabkitError
from labkit.files import whole_content
from labkit.neural.config import NeuralConfig
from labkit.neural.heads import head_of
from labkit.neural.model_file import check_weights, read_neural, write_neural
from labkit.neural.networks.edge_pairs import EdgePairs, directions
from labkit.neural.networks.graph_free import evaluate_rows
from labkit.neural.networks.network import Network, build

ENOUGH = 0.9  # of the pairs of a list within the cutoff: above this, the others are kept, which is faster


class NeuralPotential(Potential):
    """E = Σ_i e0(s_i) + scale · n(surroundings of i), with a network n that is 0 for an isolated atom.

    config   the settings
    species  names of the elements, or of the types of beads
    e0       energy of each isolated atom, eV
    scale    eV: the unit of the network's energies, which are then of order one

    The network is in single precision; e0, scale and sums over atoms are in double precision.

    >>> from ase.build import molecule
    >>> potential = NeuralPotential(NeuralConfig(channels=8), ["H", "O"], {"H": -13.6, "O": -432.0})
    >>> tuple(potential.evaluate(State.from_atoms(molecule("H2O"))).forces.shape)
    (3, 3)
    """

    network: Network

    def __init__(
        self,
        config: NeuralConfig,
        species: Sequence[str],
        e0: Mapping[str, float],
        scale: float = 1.0,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.exact = ("e0", "scale")
        self.config, self.vocabulary, self.cutoff = config, Vocabulary(tuple(species)), config.cutoff
        self.metadata = dict(metadata or {})
        missing = [name for name in species if name not in e0]
        if missing:
            raise LabkitError(f"e0 has no value for {missing[0]}; give the energy of an isolated atom of each species")
        self.register_buffer("e0", torch.tensor([float(e0[name]) for name in species], dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(float(scale), dtype=torch.float64))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = build(config.network, len(self.vocabulary), config.of_network(), head_of(config))
            self.network = network.float()

    def atomic_energies(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        energies = self.outputs(system, positions, cell, neighbours)
        return energies.squeeze(1) if energies.shape[1] == 1 else energies.mean(1)

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
        """As in every potential; without `create_graph` no graph is recorded if the network has a pullback."""
        if create_graph or not (forces or stress):
            return super().evaluate(
                state, forces=forces, stress=stress, per_atom=per_atom, create_graph=create_graph, neighbours=neighbours
            )
        if stress:
            check_cells(state.cell.detach().cpu().numpy(), state.system.pbc.cpu().numpy())
            state.check_volume()
        near = replace(self.neighbours(state) if neighbours is None else neighbours, dtype=self.dtype)
        found = evaluate_rows(self, state, near, self.row()[None], forces=forces, stress=stress, per_atom=per_atom)
        names = ("energy", "forces", "stress", "per_atom")
        return Evaluation(*(None if (x := getattr(found, name)) is None else x[0] for name in names))

    def row(self) -> Tensor:
        """Weights (F,) of the last layer for the energy itself, the mean over the head's energies."""
        return self.network.head.energies(self.network.last.weight.detach().T).mean(1)

    def outputs(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        """Energies (n, K) eV of atoms, of the head's K members."""
        species = self.species_of(system)
        found = self.network.head.energies(self.network(*self._surroundings(species, positions, cell, neighbours)))
        return self.e0.index_select(0, species)[:, None] + self.scale * found.to(torch.float64)

    def features(self, state: State, neighbours: Neighbours | None = None) -> tuple[Tensor, Tensor]:
        """Inputs of the last layer: of atoms (n, F) and, summed, of systems (S, F)."""
        near = self.neighbours(state) if neighbours is None else neighbours
        near = Neighbours(near.i, near.j, near.shift, near.index, self.dtype)
        species = self.species_of(state.system)
        of_atoms = self.network.features(*self._surroundings(species, state.positions, state.cell, near))
        return of_atoms, state.system.sum_over_atoms(of_atoms)

    def with_weights(self, weights: Mapping[str, Tensor], config: NeuralConfig | None = None) -> NeuralPotential:
        """A copy with these weights, by their names in `state_dict`, and these settings."""
        e0 = dict(zip(self.vocabulary, self.e0.tolist(), strict=True))
        found = NeuralPotential(config or self.config, tuple(self.vocabulary), e0, float(self.scale), self.metadata)
        found.to(device=self.e0.device, dtype=self.dtype)
        found.load_state_dict({**self.state_dict(), **weights})
        return found

    def species_of(self, system: System) -> Tensor:
        """Numbers (n,) of the atoms' species. Raises LabkitError, naming the first atom of an unknown species."""
        kept = self.__dict__.get("_species")
        if kept is None or kept[0] is not system:
            if system.vocabulary == ELEMENTS and all(name in ELEMENTS for name in self.vocabulary):
                system.check_species([ELEMENTS.index_of(name) for name in self.vocabulary])
            kept = self.__dict__["_species"] = system, system.types_in(self.vocabulary)
        return kept[1]

    def _surroundings(
        self, species: Tensor, positions: Tensor, cell: Tensor, neighbours: Neighbours
    ) -> tuple[Any, ...]:
        pairing, vectors = self.near_pairs(positions, cell, neighbours)
        return species, pairing.edges, *directions(vectors, pairing.edges, pairing.sign)

    def near_pairs(self, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> tuple[EdgePairs, Tensor]:
        """Pairs and their vectors (P, 3); some may lie beyond the cutoff, where all radial functions are 0."""
        kept = self.__dict__.get("_pairing")
        if kept is None or kept[0] is not neighbours.i:  # `i` stays the same tensor until the list is searched again
            kept = self.__dict__["_pairing"] = neighbours.i, EdgePairs.of(neighbours, len(positions))
        pairing = kept[1]
        half = pairing.half
        vectors = Neighbours(half.i, half.j, half.shift, half.index, neighbours.dtype).vectors(positions, cell)
        near = vectors.detach().square().sum(1) < self.cutoff**2
        if int(near.sum()) < ENOUGH * len(near):
            pairing, vectors = pairing.take(near), vectors.index_select(0, torch.nonzero(near).squeeze(1))
        return pairing, vectors

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one safetensors file with everything needed to use the potential, completely or not at all."""
        tensors = dict(self.state_dict())
        write_neural(path, tensors, config=self.config, species=tuple(self.vocabulary), metadata=self.metadata)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, alone: bool = True) -> NeuralPotential:
        """Read what `save` wrote; raises LabkitError for a missing, damaged or inconsistent file.

        With `alone`, also a potential that was trained with a prior and is wrong without it: see `labkit.neural.load`.
        """
        with whole_content(Path(path)):
            settings, tensors = read_neural(Path(path))
            if alone and "prior" in settings["metadata"]:
                raise LabkitError("was trained beside a prior, without which it is wrong; use labkit.neural.load(path)")
            found = cls(**settings)
            check_weights(found.state_dict(), tensors, found.config.network)
            found.to(tensors["network.last.weight"].dtype)
            found.load_state_dict(tensors)
        return found
