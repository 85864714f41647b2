"""Dropout: some features are left out at random, in training and, on request, in prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from labkit.neural.heads.head import Head

if TYPE_CHECKING:
    from labkit.neural.networks.network import Network
    from labkit.neural.training.frames import Batch
    from labkit.neural.training.loss import Weights


@dataclass(frozen=True)
class Dropout(Head):
    """One output, fitted with a fraction p of the features left out and the others divided by 1 - p.

    All atoms of a frame lose the same features, which amounts to a random draw of the last layer's weights. So forces
    are derivatives of energies, and an energy depends neither on the order of atoms nor on other systems. The
    potential itself uses all features.

    Source: Gal and Ghahramani, ICML 33 (2016), arXiv:1506.02142.
    """

    p: float = 0.1

    def kept(self, shape: tuple[int, int], *seed: int) -> Tensor:
        """Factors of the features, 0 or 1/(1 - p), which depend only on the seed."""
        drawn = np.random.default_rng(seed).random(shape) >= self.p
        return torch.from_numpy(drawn / (1 - self.p))

    def loss(
        self, weights: Weights, network: Network, batch: Batch, seed: tuple[int, int], scoring: bool = False
    ) -> Tensor:
        factors = self.kept((len(batch.counts), network.last.in_features), *seed)
        kept = factors.to(network.last.weight).index_select(0, batch.index)
        return weights.loss(network, batch, kept)
