"""Environments of atoms as tensors: lambda-SOAP of all the degrees that a target needs, with chosen features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from ase import Atoms
from ase.data import chemical_symbols
from torch import Tensor, nn

from labkit.base import NO_PROGRESS, Neighbours, Progress, State, System, find_neighbours
from labkit.config import config
from labkit.descriptors import DensityExpansion, LambdaSoap, select_features
from labkit.errors import LabkitError, Stopped
from labkit.polarizability.settings import Settings
from labkit.polarizability.target import Target

BATCH = 144  # atoms: larger tensors leave the caches and are slower
_SAMPLE = 128  # environments among which features are chosen


@dataclass(frozen=True, eq=False)
class Environments:
    """J environments of atoms, and the rows that they add up to.

    numbers  (J,)             atomic numbers of the centres
    frame    (J,)             ascending
    group    (J,)             the row an environment belongs to
    weight   (J,)             with which it counts there
    features {λ: (J, 2λ+1, F)}
    """

    numbers: Tensor
    frame: Tensor
    group: Tensor
    weight: Tensor
    features: dict[int, Tensor]

    @property
    def n_groups(self) -> int:
        return int(self.group.max()) + 1 if len(self.group) else 0

    def take(self, which: Tensor) -> Environments:
        """Some environments, each as its own row with weight 1."""
        mine = torch.arange(len(which), device=which.device)
        features = {degree: p[which] for degree, p in self.features.items()}
        return Environments(self.numbers[which], self.frame[which], mine, torch.ones_like(self.weight[which]), features)

    def of_frames(self, frames: Tensor) -> Environments:
        """The environments of some frames, which are counted anew, in their given order."""
        atoms = [torch.nonzero(self.frame == k)[:, 0] for k in frames]
        order = torch.cat(atoms)
        frame = torch.repeat_interleave(torch.arange(len(frames)), torch.tensor([len(a) for a in atoms])).to(order)
        whole = bool((self.group == self.frame).all())
        group = frame if whole else torch.arange(len(order)).to(order)
        features = {degree: p[order] for degree, p in self.features.items()}
        return Environments(self.numbers[order], frame, group, self.weight[order], features)


class TensorDescriptor(nn.Module):
    """p_i,λ / |p_i,0| for the degrees of `settings`, from one density expansion.

    All degrees are divided by the length of λ = 0, which never vanishes: where symmetry makes p_2 zero, the tensor
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
        """Numbers of the features that are computed, by λ."""
        return {int(degree): part.features for degree, part in self.parts.items()}

    def forward(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> dict[int, Tensor]:
        """{λ: (n, 2λ+1, F)}, differentiable."""
        coefficients = self.expansion(system, positions, cell, neighbours)
        power = self.parts["0"].coupled(coefficients)
        length = power.flatten(1).norm(dim=1)
        length = torch.where(length > 0, length, 1.0)[:, None, None]
        coefficients = coefficients / length[..., None].sqrt()  # cheaper than to divide their products
        rest = {d: self.parts[str(d)].coupled(coefficients) for d in self.settings.degrees if d}
        return {0: power / length, **rest}

    def narrowed(self, frames: Sequence[Atoms]) -> TensorDescriptor:
        """With the `n_features` that stand for all in some of these frames."""
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
        work = batches(frames)
        for step, batch in enumerate(work):
            if progress.should_stop():
                raise Stopped("stopped while computing descriptors")
            state = State.from_atoms([frames[k] for k in batch], device=config().device)
            near = find_neighbours(state.system, state.positions, state.cell, self.settings.cutoff)
            with torch.no_grad():
                found = self(state.system, state.positions, state.cell, near)
            for degree, p in found.items():
                if degree not in features:
                    features[degree] = p.new_empty(total, *p.shape[1:])
                features[degree][done : done + len(p)] = p
            done += state.system.n_atoms
            progress.update(step + 1, len(work))
        return arrange(features, frames, self.settings.target)


def arrange(features: dict[int, Tensor], frames: Sequence[Atoms], target: Target) -> Environments:
    """Environments in rows as the target wants them: one row a frame, or one an atom."""
    device = features[0].device
    counts = torch.tensor([len(atoms) for atoms in frames])
    frame = torch.repeat_interleave(torch.arange(len(frames)), counts).to(device)
    numbers = torch.cat([torch.as_tensor(atoms.numbers) for atoms in frames]).to(device)
    group = torch.arange(len(frame), device=device) if target.per_atom else frame
    weight = torch.ones(len(frame), dtype=torch.float64, device=device)
    if target.of == "mean":
        weight = weight / counts.to(device)[frame]
    return Environments(numbers, frame, group, weight, features)


def batches(frames: Sequence[Atoms], atoms: int = BATCH) -> list[list[int]]:
    """Indices of frames in batches of at most so many atoms (but at least one frame)."""
    out: list[list[int]] = []
    size = atoms
    for number, frame in enumerate(frames):
        if size + len(frame) > atoms:
            out.append([])
            size = 0
        out[-1].append(number)
        size += len(frame)
    return out


def check_species(frames: Sequence[Atoms], species: Sequence[int]) -> None:
    """Raise LabkitError, naming frame and atom, for a species that the model has not seen."""
    for k, atoms in enumerate(frames):
        for i, z in enumerate(atoms.numbers):
            if z not in species:
                seen = ", ".join(chemical_symbols[s] for s in species)
                raise LabkitError(
                    f"frame {k}, atom {i}: {chemical_symbols[z]} is unknown to this model, which has seen {seen}; "
                    f"train with frames that contain {chemical_symbols[z]}"
                )
