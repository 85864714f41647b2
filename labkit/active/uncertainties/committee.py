"""CommitteeSpread: how far the members of a committee differ."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from labkit.active.uncertainty import Spread, in_quadrature
from labkit.base import Committee, Evaluation, Potential, State, Sum
from labkit.errors import LabkitError


class CommitteeSpread:
    """Standard deviations over the M members of a committee, with M - 1 in the denominator; not calibrated.

    Per system: that of the energy, σ_E [eV]. Per atom, depending on `per_atom`:

    "forces"    √(σ_x² + σ_y² + σ_z²) of the force on the atom, eV/Å
    "energies"  that of the energy of the atom, eV: a score, not an error

    potential   a Committee, or a Sum with one or more, whose errors are treated as independent

    Values per atom are None if a given evaluation lacks the data for them: with forces=False only the energies
    are compared, which is cheaper. Raises LabkitError for a potential without a committee and for an evaluation of
    other systems.

    >>> from ase.build import molecule
    >>> from labkit.base import ModulePotential
    >>> springs = [ModulePotential(lambda x, k=k: 0.5 * k * x.square().sum()) for k in (1.0, 2.0, 3.0)]
    >>> state = State.from_atoms(molecule("H2"))
    >>> spread = CommitteeSpread(Committee(springs))(state)
    >>> bool(torch.isclose(spread.per_system, 0.5 * state.positions.square().sum())), spread.unit_per_atom
    (True, 'eV/Å')
    """

    def __init__(self, potential: Potential, *, per_atom: Literal["forces", "energies"] = "forces") -> None:
        parts = potential.potentials if isinstance(potential, Sum) else [potential]
        self.committees = [p for p in parts if isinstance(p, Committee)]
        if not self.committees:
            raise LabkitError(
                f"CommitteeSpread: {type(potential).__name__} has no members to compare; "
                "give Committee([...]) of several models, or a sum with one"
            )
        if per_atom not in ("forces", "energies"):
            raise LabkitError(f"CommitteeSpread: per_atom is {per_atom!r}; expected 'forces' or 'energies'")
        self.per_atom = per_atom

    def __call__(self, state: State, evaluation: Evaluation | None = None) -> Spread:
        """The spread at a state; members missing from the evaluation are evaluated here."""
        parts = () if evaluation is None else (evaluation, *evaluation.parts)
        members = [e.members for e in parts if e.members is not None]
        if not members:
            forces, graph = self.per_atom == "forces", torch.is_grad_enabled() and state.positions.requires_grad
            wanted = {"forces": forces, "per_atom": not forces, "create_graph": graph}
            members = [committee.evaluate(state, **wanted).members for committee in self.committees]
        self._check(state, members)
        return in_quadrature([self._spread(one, state.positions.dtype) for one in members])

    def _spread(self, members: Evaluation, dtype: torch.dtype) -> Spread:
        atoms: Tensor | None
        if self.per_atom == "energies":
            atoms, unit = None if members.per_atom is None else members.per_atom.std(0), "eV"
        else:
            atoms, unit = None if members.forces is None else members.forces.std(0).norm(dim=1), "eV/Å"
        energy = members.energy.std(0).to(dtype)
        return Spread(energy, "eV") if atoms is None else Spread(energy, "eV", atoms.to(dtype), unit)

    def _check(self, state: State, members: list[Evaluation]) -> None:
        expected = [(len(c.potentials), state.system.n_systems) for c in self.committees]
        found = [tuple(one.energy.shape) for one in members]
        if found != expected:
            raise LabkitError(
                f"CommitteeSpread: the evaluation has energies of (members, systems) {found}, expected {expected}; "
                "give the evaluation of this potential at this state"
            )
