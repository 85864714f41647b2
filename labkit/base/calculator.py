"""Any labkit potential as an ASE calculator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.calculator import all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from labkit.base.state import State

if TYPE_CHECKING:
    from labkit.base.potential import Potential

COLUMNS = ("types", "bonded")


class Calculator(AseCalculator):
    """An ASE calculator for a Potential: energy, forces, stress (ASE's sign), atomic energies, on CPU or GPU.

    >>> atoms.calc = model.calculator()  # doctest: +SKIP
    >>> atoms.get_potential_energy()  # doctest: +SKIP
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress", "energies"]

    def __init__(self, potential: Potential, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.potential = potential
        self._state: State | None = None

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What has changed; ASE itself does not compare types and bonds."""
        changes = super().check_state(atoms, tol)
        if self.atoms is not None and any(_column(atoms, name) != _column(self.atoms, name) for name in COLUMNS):
            changes.append("types")
        return changes

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        wanted = properties or ["energy"]
        state = self._refresh(self.atoms, system_changes)
        result = self.potential.evaluate(
            state, forces="forces" in wanted, stress="stress" in wanted, per_atom="energies" in wanted
        )
        self.results["energy"] = self.results["free_energy"] = float(result.energy[0])
        if result.forces is not None:
            self.results["forces"] = result.forces.detach().cpu().numpy()
        if result.stress is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(result.stress[0].detach().cpu().numpy())
        if result.per_atom is not None:
            self.results["energies"] = result.per_atom.detach().cpu().numpy()

    def _refresh(self, atoms: Atoms, changes: list[str]) -> State:
        """The state of `atoms`; while only they move, the system (and so the neighbour list) stays the same."""
        if self._state is None or set(changes) - {"positions", "cell"}:
            self._state = State.from_atoms(atoms)
        like = self._state.positions
        self._state = self._state.replace(
            positions=torch.as_tensor(atoms.positions, dtype=like.dtype, device=like.device).clone(),
            cell=torch.as_tensor(atoms.cell.array[None], dtype=like.dtype, device=like.device).clone(),
        )
        return self._state


def _column(atoms: Atoms, name: str) -> list[str] | None:
    return atoms.arrays[name].tolist() if name in atoms.arrays else None
