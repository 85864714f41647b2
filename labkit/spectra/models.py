"""Models of tensors in one form: one model, several that share descriptors, or a committee."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from labkit.base import Neighbours, System
from labkit.errors import LabkitError
from labkit.polarizability import TensorModel

#: (system, positions, cell, neighbours) -> (S, 3, 3) of cells or (n, 3, 3) of atoms, or with M members first
Tensors = Callable[[System, Tensor, Tensor, Neighbours], Tensor]


class Members:
    """M models as one function, which returns (M, S, 3, 3) or (M, n, 3, 3).

    models  a TensorModel; several of them, where a shared descriptor is computed once; or anything that is
            called like one and has a `cutoff` [Å], such as a committee, whose result has a leading axis of M members
    name    of the property, for errors
    """

    def __init__(self, models: Tensors | Sequence[TensorModel], name: str) -> None:
        self.models = list(models) if isinstance(models, Sequence) else [models]
        self.name = name
        for model in self.models:
            known = getattr(getattr(model, "target", None), "name", name)
            if known != name:
                raise LabkitError(f"the model given for {name} predicts {known}; give one that was fitted to {name}")
            if not callable(model) or not hasattr(model, "cutoff"):
                raise LabkitError(
                    f"{name}: {type(model).__name__} is not a model; expected a TensorModel, committee, or function "
                    "of (system, positions, cell, neighbours) with a cutoff"
                )
        if not self.models:
            raise LabkitError(f"{name}: no model was given; expected at least one")

    @property
    def cutoff(self) -> float:
        """Å, needed for neighbour lists."""
        return max(float(model.cutoff) for model in self.models)

    def __call__(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        """Raises LabkitError for a result of the wrong shape."""
        features: dict[int, dict[int, Tensor]] = {}
        found = []
        for model in self.models:
            if isinstance(model, TensorModel) and len(self.models) > 1:
                system.check_species(model.settings.species)
                key = id(model.descriptor)
                if key not in features:
                    features[key] = model.descriptor(system, positions, cell, neighbours)
                parts = model.contraction(features[key], system.numbers, system.index, system.counts)
                found.append(model.target.to_cartesian({degree: y[:, :, 0] for degree, y in parts.items()}))
            else:
                found.append(model(system, positions, cell, neighbours))
        values = torch.cat([f if f.ndim == 4 else f[None] for f in found])
        rows = system.n_atoms if self.name == "born_charges" else system.n_systems
        if values.shape[1:] != (rows, 3, 3):
            raise LabkitError(
                f"{self.name}: the model returned the shape {tuple(found[0].shape)} for {system.n_systems} systems of "
                f"{system.n_atoms} atoms; expected ({rows}, 3, 3), or (M, {rows}, 3, 3) from a committee"
            )
        return values


def current(charges: Tensor, velocities: Tensor, system: System) -> Tensor:
    """J_a = Σ_i Σ_b Z_i,ab v_i,b of Born charges (M, n, 3, 3) e, (M, S, 3) e Å/fs; Z_ab = dM_a/dr_b."""
    moving = (charges @ velocities[:, :, None])[..., 0]
    return moving.new_zeros(len(charges), system.n_systems, 3).index_add(1, system.index, moving)
