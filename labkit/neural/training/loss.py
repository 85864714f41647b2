"""The loss of a batch: squared errors of energies per atom, forces and virials, in units of the potential's scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from labkit.neural.networks.edge_pairs import directions
from labkit.neural.networks.row_slopes import forces_of, virials_of
from labkit.neural.training.slopes import outputs_and_slopes

if TYPE_CHECKING:
    from labkit.neural.networks.network import Network
    from labkit.neural.training.frames import Batch


@dataclass(frozen=True, eq=False)
class BatchPrediction:
    """energy (S,), forces (n, 3) and virial (S, 3, 3) of a batch, in units of the potential's scale; and the outputs
    (n, columns) of the last layer.

    For K members the first dimension is K.
    """

    energy: Tensor
    outputs: Tensor
    forces: Tensor | None = None
    virial: Tensor | None = None


def predict(
    network: Network, batch: Batch, *, derivatives: bool = True, graph: bool = False, kept: Tensor | None = None
) -> BatchPrediction:
    """Energies and their derivatives; with `graph` these are differentiable with respect to the weights.

    kept  (n, F) factors of the features, for dropout
    """
    with torch.set_grad_enabled(graph):
        if not derivatives:
            outputs = _outputs(network, batch, kept)
            return BatchPrediction(_sums(network, batch, outputs).mean(0), outputs)
        outputs, slopes = outputs_and_slopes(network, batch, kept=kept)
        return BatchPrediction(
            _sums(network, batch, outputs).mean(0), outputs, *(x[0] for x in _derived(batch, slopes))
        )


def predict_members(network: Network, batch: Batch, *, derivatives: bool = True) -> BatchPrediction:
    """Energies (K, S) of a network's K outputs and their derivatives, with a graph to the weights."""
    if not derivatives:
        outputs = _outputs(network, batch, None)
        return BatchPrediction(_sums(network, batch, outputs), outputs)
    outputs, slopes = outputs_and_slopes(network, batch, members=True)
    return BatchPrediction(_sums(network, batch, outputs), outputs, *_derived(batch, slopes))


def _outputs(network: Network, batch: Batch, kept: Tensor | None) -> Tensor:
    features = network.features(batch.species, batch.edges, *directions(batch.vectors, batch.edges, batch.sign))
    return network.last(features if kept is None else features * kept)


def _sums(network: Network, batch: Batch, outputs: Tensor) -> Tensor:
    """Energies (K, S) of frames."""
    of_atoms = network.head.energies(outputs)
    return of_atoms.new_zeros(len(batch.counts), of_atoms.shape[1]).index_add(0, batch.index, of_atoms).T


def _derived(batch: Batch, slopes: Tensor) -> tuple[Tensor, Tensor]:
    """Forces (K, n, 3) and virials (K, S, 3, 3)."""
    frame = batch.index.index_select(0, batch.i)
    forces = forces_of(slopes, batch.i, batch.j, len(batch.index))
    return forces, virials_of(slopes, batch.vectors, frame, len(batch.counts))


@dataclass(frozen=True)
class Weights:
    """How much each kind of label counts: L = energy · <(ΔE/N)²> + forces · <ΔF²> + stress · <(Δ(Vσ)/N)²>.

    The differences are divided by the potential's scale, the rms force · Å; a weight of 0 leaves a label out.
    """

    energy: float = 1.0
    forces: float = 1.0
    stress: float = 1.0

    def loss(self, network: Network, batch: Batch, kept: Tensor | None = None) -> Tensor:
        """The loss of a batch, differentiable with respect to the weights; missing labels do not count."""
        found = predict(network, batch, derivatives=self.forces > 0 or self.stress > 0, graph=True, kept=kept)
        size = batch.counts.to(found.energy.dtype)
        total = self.energy * _mean_square((found.energy - batch.energy) / size, batch.energy)
        if self.forces:
            total = total + self.forces * _mean_square(found.forces - batch.forces, batch.forces)
        if self.stress:
            total = total + self.stress * _mean_square(
                (found.virial - batch.virial) / size[:, None, None], batch.virial
            )
        return total


def _mean_square(difference: Tensor, label: Tensor) -> Tensor:
    known = torch.isfinite(label)
    if bool(known.all()):
        return difference.square().mean() if label.numel() else difference.sum()
    if not bool(known.any()):
        return difference.new_zeros(())
    return difference[known].square().mean()
