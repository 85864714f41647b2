"""Uncertainty: how far a potential may be wrong at a state, per atom and per system, each with its unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from labkit.base import Evaluation, State, System
from labkit.errors import LabkitError

#: units of an energy, a force, a distance in descriptor space
UNITS = ("eV", "eV/Å", "")


@dataclass(frozen=True, eq=False)
class Spread:
    """The uncertainty of a batch; larger is less certain, and never negative.

    per_system       (S,) of each system
    unit_per_system  "eV": of the energy, twice as large for twice the cell (√2 times for independent noise). "eV/Å" or
                     "" (a distance): that of the worst atom, the same for twice the cell
    per_atom         (n,) of each atom, or None where there is none
    unit_per_atom    "eV/Å": an error of the force on the atom. "eV" or "": a score that ranks atoms, not an error,
                     since energies of single atoms have no labels; calibration against forces makes it one
    calibrated       whether it was scaled to the errors of labelled frames

    Raises LabkitError for an unknown unit, and for values of an atom without a unit or a unit without values.
    """

    per_system: Tensor
    unit_per_system: str
    per_atom: Tensor | None = None
    unit_per_atom: str | None = None
    calibrated: bool = False

    def __post_init__(self) -> None:
        for where, values, unit in (
            ("per_system", self.per_system, self.unit_per_system),
            ("per_atom", self.per_atom, self.unit_per_atom),
        ):
            if (values is None) != (unit is None):
                raise LabkitError(f"Spread: {where} needs values and a unit, or neither; found one of them")
            if unit is not None and unit not in UNITS:
                raise LabkitError(f"Spread: unit {unit!r} of {where}; expected 'eV', 'eV/Å', or '' for a distance")

    def max_over_atoms(self, system: System) -> Tensor:
        """The largest value per atom in each system, (S,), in the unit per atom.

        >>> from ase.build import molecule
        >>> system = State.from_atoms([molecule("H2O"), molecule("H2")]).system
        >>> values = torch.tensor([0.1, 0.3, 0.2, 0.0, 0.4])
        >>> Spread(torch.zeros(2), "eV", values, "eV/Å").max_over_atoms(system)
        tensor([0.3000, 0.4000])
        """
        return self._over_atoms(system, "amax")

    def mean_over_atoms(self, system: System) -> Tensor:
        """The mean value per atom of each system, (S,), in the unit per atom.

        >>> from ase.build import molecule
        >>> system = State.from_atoms([molecule("H2O"), molecule("H2")]).system
        >>> values = torch.tensor([0.1, 0.3, 0.2, 0.0, 0.4])
        >>> Spread(torch.zeros(2), "eV", values, "eV/Å").mean_over_atoms(system)
        tensor([0.2000, 0.2000])
        """
        return self._over_atoms(system, "mean")

    def _over_atoms(self, system: System, reduction: str) -> Tensor:
        if self.per_atom is None:
            raise LabkitError("this spread has no values per atom; evaluate with forces=True, or use per_system")
        found = self.per_atom.new_zeros(system.n_systems)
        return found.scatter_reduce(0, system.index, self.per_atom, reduction, include_self=False)


@runtime_checkable
class Uncertainty(Protocol):
    """The protocol of every uncertainty: made for one potential, then called with states.

    evaluation  that of its potential at this state, if known, so that it is not computed again

    The result has the dtype of the state. It can be differentiated if the positions require gradients and, if an
    evaluation is given, that was made with `create_graph`; otherwise it holds no graph.
    """

    def __call__(self, state: State, evaluation: Evaluation | None = None) -> Spread: ...


def in_quadrature(spreads: Sequence[Spread]) -> Spread:
    """The spread of a sum of independent errors, √(σ_1² + σ_2² + ...); calibrated if all are.

    Values per atom are omitted if one of them has none. Raises LabkitError for different units.

    >>> a, b = Spread(torch.tensor([0.3]), "eV"), Spread(torch.tensor([0.4]), "eV")
    >>> in_quadrature([a, b]).per_system
    tensor([0.5000])
    """
    if not spreads:
        raise LabkitError("in_quadrature: no spreads were given; expected at least one")
    first, atoms = spreads[0], all(s.per_atom is not None for s in spreads)
    for name in ("unit_per_system", *(["unit_per_atom"] if atoms else [])):
        units = {getattr(s, name) for s in spreads}
        if len(units) > 1:
            raise LabkitError(
                f"in_quadrature: {name} is {' and '.join(sorted(map(repr, units)))}; expected one unit. For values per "
                "atom in eV use CommitteeSpread(committee, per_atom='energies')"
            )
    return Spread(
        torch.stack([s.per_system for s in spreads]).norm(dim=0),
        first.unit_per_system,
        torch.stack([s.per_atom for s in spreads]).norm(dim=0) if atoms else None,
        first.unit_per_atom if atoms else None,
        all(s.calibrated for s in spreads),
    )
