"""Network: the common part of all neural potentials, features of atoms and a last linear layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from labkit.errors import LabkitError, suggest
from labkit.neural.networks.forms import Edges

if TYPE_CHECKING:
    from labkit.neural.heads import Head

#: K gradients with respect to features (K, n, F) -> those with respect to distances (K, P) and unit vectors (K, E, 3)
Pullback = Callable[[Tensor], tuple[Tensor, Tensor]]

#: networks by name; one line registers a new one
NETWORKS: dict[str, type[Network]] = {}


class Network(nn.Module):
    """Energies of atoms, without unit: linear in features (n, F) of the surroundings, and 0 for an isolated atom.

    A subclass writes `describe` and is registered with `@network("name")`; its arguments are the number of species,
    then the settings of NeuralConfig that it uses.
    """

    head: Head  # the meaning of its outputs

    def __init__(self, n_species: int, width: int, outputs: int = 1) -> None:
        super().__init__()
        self.n_species = n_species
        self.last = nn.Linear(width, outputs, bias=False)

    def describe(self, species: Tensor, edges: Edges, distances: Tensor, unit: Tensor) -> Tensor:
        """Features (n, F) from species and surroundings.

        species    (n,) from 0
        edges      E edges from atoms j to atoms i, of P pairs
        distances  (P,) Å
        unit       (E, 3) directions from i to j
        """
        raise NotImplementedError

    def features(self, species: Tensor, edges: Edges, distances: Tensor, unit: Tensor) -> Tensor:
        """Inputs (n, F) of the last layer: the result of `describe` minus its value for an isolated atom."""
        every = torch.arange(self.n_species, device=species.device)
        found = self.describe(torch.cat([species, every]), edges.with_more_atoms(self.n_species), distances, unit)
        return found[: -self.n_species] - found[-self.n_species :].index_select(0, species)

    def pullback(self, species: Tensor, edges: Edges, distances: Tensor, unit: Tensor) -> tuple[Tensor, Pullback]:
        """The features, and their pullback: gradients with respect to features -> to distances and unit vectors.

        Uses autograd; a network that can do without a graph, and with all gradients together, overrides this.
        """
        with torch.enable_grad():
            inputs = [x.detach().requires_grad_() for x in (distances, unit)]
            found = self.features(species, edges, *inputs)

        def back(g: Tensor) -> tuple[Tensor, Tensor]:
            of_distances, of_unit = zip(*(one(row) for row in g), strict=True)
            return torch.stack(of_distances), torch.stack(of_unit)

        def one(g: Tensor) -> tuple[Tensor, Tensor]:
            if not found.requires_grad:
                return torch.zeros_like(distances), torch.zeros_like(unit)
            parts = torch.autograd.grad(found, inputs, g, retain_graph=True, allow_unused=True)
            return tuple(torch.zeros_like(x) if d is None else d for x, d in zip(inputs, parts, strict=True))

        return found.detach(), back

    def forward(self, species: Tensor, edges: Edges, distances: Tensor, unit: Tensor) -> Tensor:
        """Outputs (n, K) of the last layer: energies of atoms, and the other outputs of the head."""
        return self.last(self.features(species, edges, distances, unit))


def network(name: str) -> Callable[[type[Network]], type[Network]]:
    """Register a network under a name for NeuralConfig."""

    def registered(kind: type[Network]) -> type[Network]:
        NETWORKS[name] = kind
        return kind

    return registered


def build(name: str, n_species: int, settings: dict[str, Any], head: Head) -> Network:
    """The network of this name, with a head. Raises LabkitError for an unknown one."""
    if name not in NETWORKS:
        raise LabkitError(
            f"network {name!r} is unknown{suggest(name, NETWORKS)}; expected one of {', '.join(NETWORKS)}"
        )
    found = NETWORKS[name](n_species, **settings, outputs=head.columns)
    found.head = head
    return found
