"""TensorModel: a fitted tensor of cells or atoms, with its spread; it carries its descriptors with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms
from torch import Tensor, nn

from labkit.base import NO_PROGRESS, Neighbours, Progress, State, System, find_neighbours
from labkit.config import config
from labkit.errors import LabkitError, Stopped
from labkit.polarizability.environments import (
    Environments,
    TensorDescriptor,
    arrange,
    batches,
    check_species,
)
from labkit.polarizability.kernel import covariance, pooled, power, self_covariance
from labkit.polarizability.labels import Frames, is_periodic, structures
from labkit.polarizability.settings import Settings
from labkit.polarizability.target import Target
from labkit.regression import Posterior


class Prediction(NamedTuple):
    """values (frames, 3, 3) or (atoms, 3, 3) in the target's unit, and their standard deviations (or None)."""

    values: np.ndarray
    spread: np.ndarray | None


class TensorModel(nn.Module):
    """y_λ = Σ_i Σ_j p_i,λ·(Σ_ν p_j,λν c_jν) (p_i,0·p_j,0)^(ζ-1), plus a mean for λ = 0.

    descriptor  with the features that were chosen
    points      the environments j that span the model
    posterior   {λ: weights of the points' rows, and what the spread needs}
    mean        (species,) of the λ = 0 component, an atom's
    metadata    regularization, frames trained on and their hash, whether they are periodic, notes, version

    There is no way to give other descriptor settings than those it was trained with: they are part of it.

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
        super().__init__()
        self.descriptor, self.points, self.posterior = descriptor, points, dict(posterior)
        self.metadata = dict(metadata)
        self.register_buffer("mean", mean)

    @property
    def settings(self) -> Settings:
        return self.descriptor.settings

    @property
    def target(self) -> Target:
        return self.settings.target

    @property
    def cutoff(self) -> float:
        """Å; what neighbour lists must reach."""
        return self.settings.cutoff

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
        features = self.descriptor(system, positions, cell, neighbours)
        return self.target.to_cartesian(self.spherical(features, system.numbers, system.index, system.counts))

    def spherical(
        self, features: dict[int, Tensor], numbers: Tensor, frame: Tensor, counts: Tensor
    ) -> dict[int, Tensor]:
        """{λ: (rows, 2λ+1)} from the features of atoms, their numbers and frames."""
        out = {}
        for degree in self.target.parts:
            values = features[0].new_zeros(len(numbers), 2 * degree + 1)
            for k, z in enumerate(self.settings.species):
                atoms = torch.nonzero(numbers == z)[:, 0]
                if not len(atoms):
                    continue
                p0, form = self._forms[degree, z]
                similar = power(features[0].index_select(0, atoms)[:, 0] @ p0.mT, self.settings.zeta - 1)
                pull = (similar @ form)[:, :, None]  # (atoms, F, 1)
                mine = (features[degree].index_select(0, atoms) @ pull)[:, :, 0]
                if degree == 0:
                    mine = mine + self.mean[k]
                values = values.index_add(0, atoms, mine)
            out[degree] = pooled(values, frame, counts, self.target.of)
        return out

    def predict(self, frames: Frames | Atoms, *, spread: bool = True, progress: Progress = NO_PROGRESS) -> Prediction:
        """Values and their standard deviations, component by component, batch by batch.

        Raises LabkitError, naming the frame, for a species that was not trained on, and for cells where it was trained
        on molecules or the other way about; Stopped when asked to.
        """
        atoms = structures(frames)
        check_species(atoms, self.settings.species)
        is_periodic(atoms, self.target, self.metadata["periodic"])
        if spread and not self.has_spread:
            raise LabkitError("this model was saved without its covariance; predict(frames, spread=False)")
        values, deviations = [], []
        work = batches(atoms)
        for step, batch in enumerate(work):
            if progress.should_stop():
                raise Stopped("stopped while predicting")
            mine = [atoms[k] for k in batch]
            state = State.from_atoms(mine, device=self.mean.device)
            near = find_neighbours(state.system, state.positions, state.cell, self.cutoff)
            with torch.no_grad():
                features = self.descriptor(state.system, state.positions, state.cell, near)
                parts = self.spherical(features, state.system.numbers, state.system.index, state.system.counts)
                values.append(self.target.to_cartesian(parts))
                if spread:
                    deviations.append(self._variance(arrange(features, mine, self.target), state.system.counts).sqrt())
            progress.update(step + 1, len(work))
        joined = torch.cat(values).cpu().numpy()
        return Prediction(joined, torch.cat(deviations).cpu().numpy() if spread else None)

    def _variance(self, here: Environments, counts: Tensor) -> Tensor:
        of, zeta = self.target.of, self.settings.zeta
        found = {}
        for degree, posterior in self.posterior.items():
            own, summed = self_covariance(here, degree, zeta)
            if not self.target.per_atom:
                prior = pooled(summed, here.frame, counts, "cell")  # weights are in it
            elif of == "atom":
                prior = own
            else:  # of what is left when the mean is taken away
                n = counts.to(own)[here.frame, None, None]
                total = pooled(summed, here.frame, counts, "cell")[here.frame]
                prior = own - (summed + summed.mT) / n + total / n**2
            k = covariance(here, self.points, degree, zeta).flatten(2)
            if of == "neutral":
                k = pooled(k, here.frame, counts, of)
            known = k @ posterior.root
            found[degree] = posterior.size * (prior - known @ known.mT)
        return self.target.variances(found).clamp(min=0.0)

    @cached_property
    def _forms(self) -> dict[tuple[int, int], tuple[Tensor, Tensor]]:
        """By λ and species: p_j,0 (J, F) and Σ_ν p_j,λν c_jν (J, F) of the points; the kernel is never formed."""
        forms = {}
        for degree, posterior in self.posterior.items():
            c = posterior.weights.view(-1, 2 * degree + 1)[self.points.group] * self.points.weight[:, None]
            form = (c[:, None] @ self.points.features[degree])[:, 0]
            for z in self.settings.species:
                mine = self.points.numbers == z
                forms[degree, z] = (self.points.features[0][mine, 0], form[mine])
        return forms

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> TensorModel:
        """What `to`, `double` and the like do, for points and posterior, too."""
        super()._apply(fn, recurse)
        tensors = {name: fn(value) for name, value in vars(self.points).items() if isinstance(value, Tensor)}
        self.points = Environments(**tensors, features={d: fn(p) for d, p in self.points.features.items()})
        self.posterior = {
            d: replace(p, weights=fn(p.weights), basis=fn(p.basis), total=fn(p.total))
            for d, p in self.posterior.items()
        }
        self.__dict__.pop("_forms", None)
        return self

    def save(self, path: str | os.PathLike[str], *, spread: bool = True) -> None:
        """Write one safetensors file, whole or not at all; without `spread` it is smaller."""
        from labkit.polarizability.model_file import save

        save(self, path, spread=spread)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TensorModel:
        """Read what `save` wrote; raises LabkitError for a missing, damaged or contradictory file."""
        from labkit.polarizability.model_file import load

        return load(path, config().device)
