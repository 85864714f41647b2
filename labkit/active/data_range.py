"""DataRange: whether a structure is like those a potential has learned from, by its least certain atom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import torch
from ase import Atoms

from labkit.active.uncertainties import OF_POTENTIAL, GpVariance, LastLayer
from labkit.active.uncertainty import Uncertainty
from labkit.base import Potential, State
from labkit.base.frames import batches
from labkit.datasets import Dataset
from labkit.errors import LabkitError

#: with it, one in twenty validation frames of ice is outside at most, and nine in ten frames of molten ice
MARGIN = 1.1


class LeastCertain(NamedTuple):
    """The least certain atom of a structure.

    spread  its spread in `unit`
    ratio   spread over the largest one in the data for atoms of its kind; NaN if that is unknown
    atom    its number
    """

    spread: float
    unit: str
    ratio: float
    atom: int

    @property
    def outside(self) -> bool:
        """Whether the structure is outside the data."""
        return self.ratio > MARGIN


@dataclass(frozen=True, eq=False)
class DataRange:
    """The largest spread that an uncertainty has in known structures, for each kind of atom.

    limits  {atomic number: spread per atom} in `unit`; empty if nothing is known

    A structure is outside if the spread of an atom exceeds the limit of its kind by more than 10 %, or if there is no
    limit for its kind.

    >>> import labkit
    >>> from labkit.gap import Design, GapConfig, Soap
    >>> train = labkit.datasets.ice("train", n=50)
    >>> model = Design.build(train, GapConfig(Soap(cutoff=3.0, n_max=4, l_max=2, n_sparse=60))).solve()
    >>> known = DataRange.of(model)
    >>> molten, ice = labkit.datasets.ice("disordered"), labkit.datasets.ice("valid")
    >>> [known.least_certain(frames.state([3])).outside for frames in (molten, ice)]
    [True, False]
    """

    uncertainty: Uncertainty
    unit: str
    limits: Mapping[int, float]

    @classmethod
    def of(cls, potential: Potential, known: Dataset | Sequence[Atoms] | None = None) -> DataRange | None:
        """The range of a potential, or None if it has no uncertainty.

        known  structures that it was trained on; without them a GAP of one SOAP term is compared with its sparse
               points, which are environments of its training frames, and others have no limits
        """
        uncertainty = uncertainty_of(potential, known if isinstance(known, Dataset) else None)
        if uncertainty is None:
            return None
        if known is None or not len(known):
            found = uncertainty.at_sparse_points() if isinstance(uncertainty, GpVariance) else {}
            unit = "eV" if isinstance(uncertainty, GpVariance) else "eV/Å"  # as all others that need no frames
            return cls(uncertainty, unit, {z: float(values.max()) for z, values in found.items() if len(values)})
        atoms = known.atoms if isinstance(known, Dataset) else list(known)
        limits: dict[int, float] = {}
        for batch in batches([len(frame) for frame in atoms]):
            state = State.from_atoms([atoms[k] for k in batch])
            spread = uncertainty(state)
            for z in state.system.numbers.unique().tolist():
                largest = float(spread.per_atom[state.system.numbers == z].max())
                limits[z] = max(limits.get(z, 0.0), largest)
        return cls(uncertainty, spread.unit_per_atom, limits)

    def least_certain(self, state: State) -> LeastCertain:
        """The atom whose spread is largest relative to its limit; without limits, that with the largest spread."""
        with torch.no_grad():
            spread = self.uncertainty(state).per_atom
        limit = torch.tensor([self.limits.get(z, 0.0) for z in state.system.numbers.tolist()]).to(spread)
        ratio = spread / limit if self.limits else spread
        atom = int(ratio.argmax())
        return LeastCertain(float(spread[atom]), self.unit, float(ratio[atom]) if self.limits else math.nan, atom)


def uncertainty_of(potential: Potential, known: Dataset | None = None) -> Uncertainty | None:
    """The uncertainty that a potential brings with it; None if it has none.

    known  frames that it was trained on: with them, a network that predicts no spread has that of its last layer

    >>> from labkit.base import ModulePotential
    >>> uncertainty_of(ModulePotential(lambda x: x.square().sum())) is None
    True
    """
    for kind in OF_POTENTIAL:
        with suppress(LabkitError):
            return kind(potential)
    if known is not None and len(known):
        with suppress(LabkitError):
            return LastLayer(potential, known)
    return None
