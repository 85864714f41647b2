"""Vectors of atoms: what a potential sees of an environment, by kind of potential."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from labkit.base import Committee, Potential, State, Sum
from labkit.datasets import Dataset
from labkit.descriptors import select_features
from labkit.errors import LabkitError
from labkit.gap import GapModel
from labkit.gap.soap_term import SoapTerm
from labkit.neural import NeuralPotential

#: kinds of potentials with vectors of their own, and the function that returns them, (n, d) for a state of n atoms
VECTORS: dict[type[Potential], Callable[[Potential, State], Tensor]] = {
    GapModel: lambda potential, state: soap_vectors(potential, state),
    NeuralPotential: lambda potential, state: potential.features(state)[0],
}
SAMPLE = 50  # frames that the columns are chosen by


def describes(potential: Potential) -> Potential | None:
    """The part of a potential whose vectors are used: of a sum or a committee the first that has any; or None.

    >>> from labkit.base import ModulePotential
    >>> describes(ModulePotential(lambda x: x.square().sum())) is None
    True
    """
    if isinstance(potential, GapModel):
        return potential if any(isinstance(term, SoapTerm) for term in potential.terms) else None
    if isinstance(potential, tuple(VECTORS)):
        return potential
    parts: Iterable[Potential] = potential.potentials if isinstance(potential, Sum | Committee) else ()
    return next((found for part in parts if (found := describes(part)) is not None), None)


def atom_vectors(potential: Potential, state: State) -> Tensor:
    """Vectors (n, d) of the atoms of a state: SOAP power spectra, or the inputs of a network's last layer.

    Raises LabkitError for a potential that has none.
    """
    part = describes(potential)
    if part is None:
        raise LabkitError(
            f"{type(potential).__name__} has no vectors of atoms; give a GAP with a SOAP term, a neural potential, or "
            "another rule, such as MaximumVariance()"
        )
    find = next(find for kind, find in VECTORS.items() if isinstance(part, kind))
    with torch.no_grad():
        return find(part, state).to(torch.float64)


def soap_vectors(potential: GapModel, state: State) -> Tensor:
    """The power spectra of all SOAP terms of a GAP, side by side."""
    state.system.check_species(potential.species)
    near = potential.neighbours(state)
    terms = [term for term in potential.terms if isinstance(term, SoapTerm)]
    dtype = potential.weights.dtype
    positions, cell = state.positions.to(dtype), state.cell.to(dtype)
    return torch.cat([term.descriptor(state.system, positions, cell, near) for term in terms], 1)


def chosen_columns(potential: Potential, frames: Dataset, most: int) -> Tensor | None:
    """At most so many columns of the vectors, by farthest-point sampling on some frames; None for all."""
    rows = np.unique(np.linspace(0, len(frames) - 1, min(SAMPLE, len(frames))).astype(int))
    sample = torch.cat([atom_vectors(potential, frames.state([int(k)])) for k in rows])
    return None if sample.shape[1] <= most else select_features(sample, most, "fps")
