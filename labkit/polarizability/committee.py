"""TensorCommittee: many fits of one tensor, whose spread estimates their error and that of derived quantities."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from labkit.base import NO_PROGRESS, Neighbours, Progress, System
from labkit.config import config
from labkit.files import expect_tensor
from labkit.polarizability.descriptor import TensorDescriptor
from labkit.polarizability.environments import Environments
from labkit.polarizability.labels import Frames
from labkit.polarizability.model_file import read_module, write_module
from labkit.polarizability.module import TensorModule

FORMAT = "labkit tensor committee 1"


class CommitteePrediction(NamedTuple):
    """values (F, 3, 3): mean; spread (F, 3, 3): standard deviation; members (M, F, 3, 3); F frames, or atoms."""

    values: np.ndarray
    spread: np.ndarray
    members: np.ndarray


class TensorCommittee(TensorModule):
    """M models around one, with its descriptor and points: all together cost one descriptor and M columns of weights.

    Each member is y_m = y + α (f_m - f̄) for every λ: y the fit to all frames, f_m that to a random half of them, f̄
    their mean, and α such that the spread of the members not trained on a frame equals the error of y when that frame
    is left out:

        α² = Σ_frames |y_ref - y_without|² / Σ_frames s²,   s² = Σ_m |f_m - f̄|² / (M' - 1) over those M' members

    A quantity computed from each member, such as a spectrum, has a spread over the members that estimates its error.

    weights  {λ: (columns (2λ+1), M)}
    mean     (species, M)

    Source: Musil, Willatt, Langovoy, Ceriotti, J. Chem. Theory Comput. 15, 906 (2019), which takes f̄ in place of y.

    >>> import labkit
    >>> from labkit.polarizability import TensorDesign, with_label
    >>> frames = with_label(labkit.datasets.ice("train"), "polarizability")[:14]
    >>> committee = TensorDesign.build(frames, n_max=3, l_max=2, n_features=20).committee(1e-5, range(12), members=6)
    >>> values, spread, members = committee.predict(frames[12:])
    >>> members.shape
    (6, 2, 3, 3)
    """

    def __init__(
        self,
        descriptor: TensorDescriptor,
        points: Environments,
        weights: Mapping[int, Tensor],
        mean: Tensor,
        metadata: Mapping[str, Any],
    ) -> None:
        super().__init__(descriptor, points, mean, metadata)
        self._weights = dict(weights)

    def __len__(self) -> int:
        return self.mean.shape[1]

    @property
    def weights(self) -> dict[int, Tensor]:
        return self._weights

    @property
    def calibration(self) -> dict[int, float]:
        """{λ: α}."""
        return {int(degree): alpha for degree, alpha in self.metadata["calibration"].items()}

    def forward(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        """The property by each member (M, S, ...) of systems or (M, n, ...) of atoms, differentiable."""
        system.check_species(self.settings.species)
        return self._members(self.descriptor(system, positions, cell, neighbours), system)

    def predict(self, frames: Frames | Atoms, *, progress: Progress = NO_PROGRESS) -> CommitteePrediction:
        """Mean, spread and members, batch by batch; raises what TensorModel.predict raises."""
        found = [
            self._members(features, state.system)
            for _, state, features in self.descriptor.described(self._accepted(frames), progress)
        ]
        members = torch.cat(found, 1)
        return CommitteePrediction(*(x.cpu().numpy() for x in (members.mean(0), members.std(0), members)))

    def _members(self, features: dict[int, Tensor], system: System) -> Tensor:
        parts = self.contraction(features, system.numbers, system.index, system.counts)
        flat = {degree: y.movedim(-1, 0).flatten(0, 1) for degree, y in parts.items()}  # (M rows, 2λ+1)
        return self.target.to_cartesian(flat).unflatten(0, (len(self), -1))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> TensorCommittee:
        super()._apply(fn, recurse)
        self._weights = {degree: fn(w) for degree, w in self._weights.items()}
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one safetensors file, completely or not at all."""
        write_module(self, path, FORMAT, {f"weights.{d}": w for d, w in self.weights.items()})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TensorCommittee:
        """Read what `save` wrote; raises LabkitError for a missing, damaged or inconsistent file."""
        with read_module(path, FORMAT, "tensor committee", config().device) as found:
            mean = expect_tensor("mean", found.tensors.get("mean"), len(found.descriptor.settings.species), None)
            weights = {d: found.columns("weights", d, mean.shape[1]) for d in found.degrees}
            return cls(found.descriptor, found.points, weights, mean, found.metadata)
