"""The descriptor of tensors: lambda-SOAP of all the degrees that a target needs, with selected features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from ase import Atoms
from torch import Tensor, nn

from labkit.base import NO_PROGRESS, Neighbours, Progress, State, System, find_neighbours
from labkit.base.frames import batches
from labkit.descriptors import DensityExpansion, LambdaSoap, select_features
from labkit.errors import LabkitError, Stopped
from labkit.polarizability.environments import Environments, arrange
from labkit.polarizability.settings import Settings

BATCH = 192  # atoms: larger tensors do not fit the caches and are slower
_SAMPLE = 128  # environments from which features are selected


class TensorDescriptor(nn.Module):
    """p_i,λ / |p_i,0| for the degrees of `settings`, from one density expansion.

    All degrees are divided by the length of λ = 0, which never vanishes: if symmetry makes p_2 zero, the tensor
    stays zero and smooth.
    """

    def __init__(
        self,
        settings: Settings,
        features: Mapping[int, Sequence[int]] | None = None,
        expansion: DensityExpansion | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.expansion = expansion or DensityExpansion(
            settings.species,
            n_max=settings.n_max,
            l_max=settings.l_max,
            cutoff=settings.cutoff,
            atom_sigma=settings.atom_sigma,
            cutoff_transition_width=settings.cutoff_transition_width,
            central_weight=settings.central_weight,
        )
        chosen = features or {}
        parity = {0: 1, **settings.target.parts}
        self.parts = nn.ModuleDict(
            {str(d): LambdaSoap(self.expansion, d, parity[d], chosen.get(d)) for d in settings.degrees}
        )

    @property
    def features(self) -> dict[int, Tensor]:
        """Indices of the features that are computed, by λ."""
        return {int(degree): part.features for degree, part in self.parts.items()}

    def forward(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> dict[int, Tensor]:
        """{λ: (n, 2λ+1, F)}, differentiable."""
        coefficients = self.expansion(system, positions, cell, neighbours)
        power = self.parts["0"].coupled(coefficients)
        length = power.flatten(1).norm(dim=1)
        length = torch.where(length > 0, length, 1.0)[:, None, None]
        coefficients = coefficients / length[..., None].sqrt()  # cheaper than dividing their products
        rest = {d: self.parts[str(d)].coupled(coefficients) for d in self.settings.degrees if d}
        return {0: power / length, **rest}

    def narrowed(self, frames: Sequence[Atoms]) -> TensorDescriptor:
        """The descriptor with `n_features` features, selected from some of these frames."""
        count = self.settings.n_features
        if count is None:
            return self
        for degree, part in self.parts.items():
            if count > part.n_all:
                raise LabkitError(
                    f"n_features is {count}, but lambda = {degree} has only {part.n_all} features with n_max="
                    f"{self.settings.n_max}, l_max={self.settings.l_max}; give at most {part.n_all}, or None for all"
                )
        enough = -(-_SAMPLE * len(frames) // sum(len(atoms) for atoms in frames)) + 1
        spread = torch.linspace(0, len(frames) - 1, min(len(frames), enough)).round().int().tolist()
        sample = self.environments([frames[k] for k in spread])
        generator = torch.Generator().manual_seed(0)
        few = torch.randperm(len(sample.numbers), generator=generator)[:_SAMPLE].sort().values.to(sample.numbers.device)
        method = self.settings.feature_selection
        chosen = {d: select_features(p[few], count, method).tolist() for d, p in sample.features.items()}
        return TensorDescriptor(self.settings, chosen, self.expansion).to(few.device)

    def environments(self, frames: Sequence[Atoms], progress: Progress = NO_PROGRESS) -> Environments:
        """All environments of all frames, without gradients, batch by batch."""
        features: dict[int, Tensor] = {}
        total, done = sum(len(atoms) for atoms in frames), 0
        for _, _, found in self.described(frames, progress, "computing descriptors"):
            for degree, p in found.items():
                if degree not in features:
                    features[degree] = p.new_empty(total, *p.shape[1:])
                features[degree][done : done + len(p)] = p
            done += len(found[0])
        return arrange(features, frames, self.settings.target)

    def described(
        self, frames: Sequence[Atoms], progress: Progress = NO_PROGRESS, doing: str = "predicting"
    ) -> Iterator[tuple[list[Atoms], State, dict[int, Tensor]]]:
        """Frames, their state and features {λ: (n, 2λ+1, F)}, without gradients, batch by batch."""
        work = batches(map(len, frames), BATCH)
        for step, batch in enumerate(work):
            if progress.should_stop():
                raise Stopped(f"stopped while {doing}")
            mine = [frames[k] for k in batch]
            state = State.from_atoms(mine, device=self.parts["0"].features.device)
            near = find_neighbours(state.system, state.positions, state.cell, self.settings.cutoff)
            with torch.no_grad():
                found = self(state.system, state.positions, state.cell, near)
            yield mine, state, found
            progress.update(step + 1, len(work))
