"""NearestEnvironments: the distance of an atom from the k nearest known environments."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.active.uncertainties.environments import LatentDistance
from labkit.base import Potential
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.regression.selection import select

ROWS = 4096  # atoms whose distances from all known environments are in memory together


class NearestEnvironments(LatentDistance):
    """d_i = <|x_i - x_n|> over the k nearest known environments n of i's species; see `LatentDistance`.

    known  frames that the potential was trained on
    k      how many neighbours count
    most   known environments kept of each species; if there are more, the ones farthest from one another

    Raises LabkitError for a potential without features, and without known frames. Source: Janet et al., Chem. Sci. 10,
    7913 (2019).

    >>> import labkit
    >>> from labkit.neural import NeuralConfig, NeuralPotential
    >>> frames = labkit.datasets.ice("train", n=50)[:3]
    >>> potential = NeuralPotential(NeuralConfig(channels=8), ["H", "O"], {"H": -13.6, "O": -432.0})
    >>> spread = NearestEnvironments(potential, frames)(labkit.datasets.ice("disordered").state([0]))
    >>> spread.unit_per_atom, tuple(spread.per_atom.shape)
    ('', (12,))
    """

    def __init__(self, potential: Potential, known: Dataset, *, k: int = 3, most: int = 500) -> None:
        if not 1 <= k <= most:
            raise LabkitError(f"NearestEnvironments: k is {k} and most is {most}; expected 1 <= k <= most")
        self.k, self.most = k, most
        super().__init__(potential, known)

    def learn(self, vectors: Tensor) -> tuple[Tensor, ...]:
        different = torch.unique(vectors, dim=0)  # the same whatever the order of frames
        if len(different) > self.most:
            different = different[select(different, self.most, "fps").sort().values]
        return different, different.square().sum(1)

    def distance(self, vectors: Tensor, *known: Tensor) -> Tensor:
        points, squares = known
        found = []
        for part in vectors.split(ROWS):
            score = squares - 2 * part.detach() @ points.T  # + |x|², which does not change the order
            nearest = score.topk(min(self.k, len(points)), largest=False).indices
            apart = part[:, None] - points[nearest]  # again, without cancellation
            found.append(apart.norm(dim=2).mean(1))
        return torch.cat(found)
