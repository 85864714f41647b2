"""Rows of a tensor design: labels and covariances, computed once, and their parts for sets of training frames."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from labkit.polarizability.environments import Environments
from labkit.polarizability.kernel import pooled
from labkit.polarizability.settings import Settings
from labkit.polarizability.span import Span
from labkit.regression import Spectral

_KEPT = 12  # sets of training frames; the one used longest ago is dropped first


@dataclass(frozen=True, eq=False)
class FrameSubset:
    """A set of training frames: their rows, labels minus their mean, and eigenvectors of the covariance.

    frames, rows  ascending
    labels        {λ: (rows (2λ+1),)}
    mean          (species,) of λ = 0, per atom
    points        environments that span the model
    spectral      {λ: Spectral}
    """

    frames: Tensor
    rows: Tensor
    labels: dict[int, Tensor]
    mean: Tensor
    points: Environments
    spectral: dict[int, Spectral]


class TensorRows:
    """One row per frame or per atom, depending on the target.

    labels       {λ: (rows, 2λ+1)}
    composition  (rows, species), of which the mean of λ = 0 is a linear function
    scale        (rows,), the inverse of the noise's factor: an extensive property is noisier in a larger frame
    frame        (rows,)
    covariances  {λ: (rows, 2λ+1, columns, 2λ+1)}
    """

    def __init__(
        self, atoms: list[Atoms], values: np.ndarray, settings: Settings, here: Environments, notes: list[str]
    ) -> None:
        self.atoms, self.settings = atoms, settings
        device, target = here.weight.device, settings.target
        counts = torch.tensor([len(a) for a in atoms], device=device)
        self.values = torch.as_tensor(values, dtype=torch.float64, device=device)
        labels = pooled(self.values, here.frame, counts, "neutral") if target.of == "neutral" else self.values
        self.labels = target.to_spherical(labels)
        of_row = counts if target.of == "cell" else torch.ones_like(labels.flatten(1)[:, 0])
        self.scale = of_row.to(torch.float64) ** -0.5
        kinds = (here.numbers[:, None] == torch.tensor(settings.species, device=device)).to(torch.float64)
        self.composition = pooled(kinds, here.frame, counts, target.of)
        self.frame = here.frame if target.per_atom else torch.arange(len(atoms), device=device)
        self.span = Span(settings, here, notes)
        self.covariances = {degree: self.span.covariances(here, counts, degree) for degree in target.parts}
        self._kept: OrderedDict[bytes, FrameSubset] = OrderedDict()
        self._lock = threading.RLock()  # panels solve from several threads

    def of(self, frames: Tensor) -> Tensor:
        """The rows of some frames, ascending."""
        return torch.nonzero(torch.isin(self.frame, frames))[:, 0]

    def columns(self, part: FrameSubset) -> Tensor | slice:
        """Which columns of `covariances` belong to the points of a part."""
        return part.rows if self.span.exact else slice(None)

    def baseline(self, rows: Tensor, mean: Tensor) -> Tensor:
        """The part of λ = 0 explained by the composition, (rows, ...), for a mean (species, ...)."""
        return torch.tensordot(self.composition[rows], mean, 1)

    def part(self, frames: Tensor) -> FrameSubset:
        """What is the same for every regularization of these training frames; cached."""
        key = frames.cpu().numpy().tobytes()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = self.fresh(frames)
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def fresh(self, frames: Tensor) -> FrameSubset:
        """The part, computed and not cached."""
        rows = self.of(frames)
        mean = self._mean(rows)
        labels = {degree: y[rows] for degree, y in self.labels.items()}
        if 0 in labels:
            labels[0] = labels[0] - self.baseline(rows, mean)[:, None]
        points = self.span.points.of_frames(frames) if self.span.exact else self.span.points
        scale, frame = self.scale[rows], self.frame[rows]
        spectral = {degree: self.span.spectral(degree, k, rows, scale, frame) for degree, k in self.covariances.items()}
        flat = {degree: y.flatten() for degree, y in labels.items()}
        return FrameSubset(frames, rows, flat, mean, points, spectral)

    def leave_out(
        self, part: FrameSubset, noise: Mapping[int, float], owners: Tensor
    ) -> dict[int, tuple[Tensor, Tensor]]:
        """{λ: labels and predictions (rows, 2λ+1)} leaving out all frames of the same owner; see TensorDesign."""
        owner = owners[self.frame[part.rows].cpu()]
        together = [torch.nonzero(owner == k)[:, 0] for k in torch.unique(owner)]
        found = {}
        for degree, value in noise.items():
            size, y = 2 * degree + 1, part.labels[degree]
            rows = [(size * g[:, None] + torch.arange(size)).flatten().to(y.device) for g in together]
            predicted = part.spectral[degree].leave_out(y, value, rows)
            found[degree] = y.view(-1, size), predicted.view(-1, size)
        return found

    def hash(self, part: FrameSubset) -> str:
        """sha256 of the structures and labels of a part."""
        digest = hashlib.sha256()
        for k in part.frames.tolist():
            atoms = self.atoms[k]
            for array in (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc):
                digest.update(np.asarray(array, dtype="<f8").tobytes())
        digest.update(self.values[part.rows].cpu().numpy().astype("<f8").tobytes())
        return digest.hexdigest()

    def _mean(self, rows: Tensor) -> Tensor:
        """The part of λ = 0 that the composition explains, per atom of each species."""
        if 0 not in self.labels:
            return self.composition.new_zeros(len(self.settings.species))
        scaled = self.composition[rows] * self.scale[rows, None]
        return torch.linalg.pinv(scaled) @ (self.labels[0][rows, 0] * self.scale[rows])

    def __getstate__(self) -> dict[str, Any]:
        """What a worker needs: all except the lock."""
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.RLock())
