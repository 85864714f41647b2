"""Weights contracted with the points they belong to, so that predictions never need a kernel of tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from labkit.polarizability.environments import Environments
from labkit.polarizability.kernel import pooled, power
from labkit.polarizability.settings import Settings


class Contraction:
    """y_λ,C = Σ_i p_i,λ·(Σ_j f_jC (p_i,0·p_j,0)^(ζ-1)) + mean, with f_jC = Σ_ν p_j,λν c_jνC, for C columns at once.

    With ζ = 2 the sum over j is the matrix Σ_j p_j,0 ⊗ f_jC: the cost does not depend on the number of points.

    points   J environments
    weights  {λ: (rows (2λ+1), C)} of the points' rows
    mean     (species, C), of the λ = 0 component of an atom
    """

    def __init__(self, settings: Settings, points: Environments, weights: Mapping[int, Tensor], mean: Tensor) -> None:
        self.settings, self.mean, self.columns = settings, mean, mean.shape[1]
        self._forms: dict[tuple[int, int], tuple[Tensor | None, Tensor]] = {}
        for degree, weight in weights.items():
            c = weight.unflatten(0, (-1, 2 * degree + 1))[points.group] * points.weight[:, None, None]
            form = (points.features[degree].mT @ c).flatten(1)  # (J, F C)
            for z in settings.species:
                mine = torch.nonzero(points.numbers == z)[:, 0]
                p0, f = points.features[0][mine, 0], form[mine]
                if settings.zeta == 2 and len(p0) > p0.shape[1]:
                    self._forms[degree, z] = (None, p0.mT @ f)
                else:
                    self._forms[degree, z] = (p0, f)

    def __call__(
        self, features: Mapping[int, Tensor], numbers: Tensor, frame: Tensor, counts: Tensor
    ) -> dict[int, Tensor]:
        """{λ: (rows, 2λ+1, C)} from the features {λ: (n, 2λ+1, F)} of atoms, their numbers and frames."""
        out = {}
        atoms = {z: torch.nonzero(numbers == z)[:, 0] for z in self.settings.species}
        for degree in self.settings.target.parts:
            values = features[0].new_zeros(len(numbers), 2 * degree + 1, self.columns)
            for k, (z, which) in enumerate(atoms.items()):
                p0, form = self._forms[degree, z]
                x0 = features[0].index_select(0, which)[:, 0]
                similar = x0 if p0 is None else power(x0 @ p0.mT, self.settings.zeta - 1)
                pull = (similar @ form).unflatten(1, (-1, self.columns))  # (atoms, F, C)
                mine = features[degree].index_select(0, which) @ pull
                values = values.index_add(0, which, mine + self.mean[k] if degree == 0 else mine)
            out[degree] = pooled(values, frame, counts, self.settings.target.of)
        return out
