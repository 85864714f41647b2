"""The common base of a model and a committee: a descriptor, the points that span them, device and dtype."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from ase import Atoms
from torch import Tensor, nn

from labkit.base.frames import check_species
from labkit.polarizability.contraction import Contraction
from labkit.polarizability.descriptor import TensorDescriptor
from labkit.polarizability.environments import Environments
from labkit.polarizability.labels import Frames, is_periodic, structures
from labkit.polarizability.settings import Settings
from labkit.polarizability.target import Target


class TensorModule(nn.Module):
    """Descriptor, points and metadata of a fit; a subclass adds its `weights`.

    The descriptor settings are part of it and cannot differ from those it was trained with.
    """

    def __init__(
        self, descriptor: TensorDescriptor, points: Environments, mean: Tensor, metadata: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.descriptor, self.points, self.metadata = descriptor, points, dict(metadata)
        self.register_buffer("mean", mean)

    @property
    def settings(self) -> Settings:
        return self.descriptor.settings

    @property
    def target(self) -> Target:
        return self.settings.target

    @property
    def cutoff(self) -> float:
        """Å, needed for neighbour lists."""
        return self.settings.cutoff

    @property
    def weights(self) -> dict[int, Tensor]:
        """{λ: (columns (2λ+1), members)}."""
        raise NotImplementedError

    @cached_property
    def contraction(self) -> Contraction:
        """Computed on first use, and again after a move."""
        return Contraction(self.settings, self.points, self.weights, self.mean.view(len(self.settings.species), -1))

    def _accepted(self, frames: Frames | Atoms) -> list[Atoms]:
        """The frames as a list, checked to be ones that this can predict."""
        atoms = structures(frames)
        check_species(atoms, self.settings.species)
        is_periodic(atoms, self.target, self.metadata["periodic"])
        return atoms

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> TensorModule:
        """Apply `to`, `double` and the like to the points, too."""
        super()._apply(fn, recurse)
        tensors = {name: fn(value) for name, value in vars(self.points).items() if isinstance(value, Tensor)}
        self.points = Environments(**tensors, features={d: fn(p) for d, p in self.points.features.items()})
        self.__dict__.pop("contraction", None)
        return self
