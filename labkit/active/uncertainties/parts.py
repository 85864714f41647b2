"""The models in a potential that a kind of uncertainty belongs to."""

from __future__ import annotations

from typing import Literal, TypeVar

import torch

from labkit.base import Potential, State, Sum
from labkit.errors import LabkitError
from labkit.neural import NeuralPotential

P = TypeVar("P", bound=Potential)

#: what a value per atom is: the norm of an error of the force, eV/Å, or a score of the atom's energy, eV
PerAtom = Literal["forces", "energies"]


def parts_of(potential: Potential, kind: type[P]) -> list[P]:
    """The potential itself or the terms of a sum, if they are of this class."""
    parts = potential.potentials if isinstance(potential, Sum) else [potential]
    return [part for part in parts if isinstance(part, kind)]


def networks_of(potential: Potential, name: str) -> list[NeuralPotential]:
    """The neural potentials in a potential. Raises LabkitError, on behalf of `name`, if there are none."""
    found = parts_of(potential, NeuralPotential)
    if not found:
        raise LabkitError(
            f"{name}: {type(potential).__name__} is not a neural potential; give a NeuralPotential, or a sum with one"
        )
    return found


def check_per_atom(per_atom: str, name: str) -> None:
    """Raise LabkitError, on behalf of `name`, for an unknown kind of value per atom."""
    if per_atom not in ("forces", "energies"):
        raise LabkitError(f"{name}: per_atom is {per_atom!r}; expected 'forces' or 'energies'")


def followed(state: State) -> bool:
    """Whether a result at this state is to be differentiable."""
    return torch.is_grad_enabled() and state.positions.requires_grad
