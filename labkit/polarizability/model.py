"""TensorModel: a fitted tensor of cells or atoms, with its spread and its descriptors."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from labkit.base import NO_PROGRESS, Neighbours, Progress, System
from labkit.config import config
from labkit.errors import LabkitError
from labkit.files import expect_tensor
from labkit.polarizability.descriptor import TensorDescriptor
from labkit.polarizability.environments import Environments, arrange
from labkit.polarizability.labels import Frames
from labkit.polarizability.model_file import read_module, write_module
from labkit.polarizability.module import TensorModule
from labkit.polarizability.variance import variances
from labkit.regression import Posterior

FORMAT = "labkit tensor model 1"


class Prediction(NamedTuple):
    """values (frames, 3, 3) or (atoms, 3, 3) in the target's unit, and their standard deviations (or None)."""

    values: np.ndarray
    spread: np.ndarray | None


class TensorModel(TensorModule):
    """y_λ = Σ_i Σ_j p_i,λ·(Σ_ν p_j,λν c_jν) (p_i,0·p_j,0)^(ζ-1), plus a mean for λ = 0.

    descriptor  with the selected features
    points      the environments j that span the model
    posterior   {λ: weights of the points' rows, and the factors of its spread}
    mean        (species,) of the λ = 0 component, per atom
    metadata    regularization, training frames and their hash, whether they are periodic, notes, version

    >>> model = TensorModel.load("polarizability.safetensors")  # doctest: +SKIP
    >>> values, spread = model.predict(trajectory)  # doctest: +SKIP
    """

    def __init__(
        self,
        descriptor: TensorDescriptor,
        points: Environments,
        posterior: Mapping[int, Posterior],
        mean: Tensor,
        metadata: Mapping[str, Any],
    ) -> None:
        super().__init__(descriptor, points, mean, metadata)
        self.posterior = dict(posterior)

    @property
    def weights(self) -> dict[int, Tensor]:
        """{λ: (columns (2λ+1), 1)}."""
        return {degree: p.weights[:, None] for degree, p in self.posterior.items()}

    @property
    def has_spread(self) -> bool:
        return all(p.total.numel() for p in self.posterior.values())

    @property
    def log_evidence(self) -> float:
        """log p(y | settings) over all λ, to compare settings on the same training data."""
        return sum(p.log_evidence for p in self.posterior.values())

    def forward(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        """The property (S, ...) of systems or (n, ...) of atoms, differentiable in positions and cell."""
        system.check_species(self.settings.species)
        return self._values(self.descriptor(system, positions, cell, neighbours), system)

    def predict(self, frames: Frames | Atoms, *, spread: bool = True, progress: Progress = NO_PROGRESS) -> Prediction:
        """Values and their standard deviations, component by component, batch by batch.

        Raises LabkitError, naming the frame, for a species that was not trained on, and for cells if it was trained
        on molecules or vice versa; Stopped on request.
        """
        atoms = self._accepted(frames)
        if spread and not self.has_spread:
            raise LabkitError("this model was saved without its covariance; predict(frames, spread=False)")
        values, deviations = [], []
        for mine, state, features in self.descriptor.described(atoms, progress):
            values.append(self._values(features, state.system))
            if spread:
                here = arrange(features, mine, self.target)
                found = variances(here, state.system.counts, self.points, self.posterior, self.settings)
                deviations.append(found.sqrt())
        joined = torch.cat(values).cpu().numpy()
        return Prediction(joined, torch.cat(deviations).cpu().numpy() if spread else None)

    def _values(self, features: dict[int, Tensor], system: System) -> Tensor:
        parts = self.contraction(features, system.numbers, system.index, system.counts)
        return self.target.to_cartesian({degree: y[:, :, 0] for degree, y in parts.items()})

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> TensorModel:
        """Apply `to`, `double` and the like to the posterior, too."""
        super()._apply(fn, recurse)
        self.posterior = {
            d: replace(p, weights=fn(p.weights), basis=fn(p.basis), total=fn(p.total))
            for d, p in self.posterior.items()
        }
        return self

    def save(self, path: str | os.PathLike[str], *, spread: bool = True) -> None:
        """Write one safetensors file, completely or not at all; without `spread` it is smaller."""
        tensors: dict[str, Tensor] = {}
        for degree, posterior in self.posterior.items():
            tensors[f"weights.{degree}"] = posterior.weights
            few = slice(None) if spread else slice(0)
            tensors |= {f"basis.{degree}": posterior.basis[:, few], f"total.{degree}": posterior.total[few]}
        numbers = {str(d): [p.size, p.log_evidence] for d, p in self.posterior.items()}
        write_module(self, path, FORMAT, tensors, posterior=numbers)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TensorModel:
        """Read what `save` wrote; raises LabkitError for a missing, damaged or inconsistent file."""
        with read_module(path, FORMAT, "tensor model", config().device) as found:
            numbers, posterior = json.loads(found.header["posterior"]), {}
            for d in found.degrees:
                weights, basis = found.columns("weights", d), found.columns("basis", d, None)
                total = expect_tensor(f"total.{d}", found.tensors.get(f"total.{d}"), basis.shape[1])
                posterior[d] = Posterior(weights, basis, total, *map(float, numbers[str(d)]))
            mean = expect_tensor("mean", found.tensors.get("mean"), len(found.descriptor.settings.species))
            return cls(found.descriptor, found.points, posterior, mean, found.metadata)
