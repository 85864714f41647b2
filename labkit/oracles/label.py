"""A label: the results of an oracle for one structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from labkit.oracles.errors import CalculationFailed

IN_CALCULATOR = ("energy", "forces", "stress", "dipole")
PER_ATOM = {"forces": (3,), "born_charges": (3, 3)}
PER_FRAME = {"energy": (), "stress": (3, 3), "dipole": (3,), "dielectric": (3, 3), "polarizability": (3, 3)}


@dataclass(frozen=True, eq=False)
class Label:
    """Values by name, in labkit's units; only those that the oracle has.

    energy          ()         eV
    forces          (n, 3)     eV/Å
    stress          (3, 3)     eV/Å^3, +(1/V) dE/dstrain
    dipole          (3,)       e Å
    dielectric      (3, 3)     relative
    polarizability  (3, 3)     Å^3
    born_charges    (n, 3, 3)  e; row: direction of the field, column: direction of the force
    program         that computed it, with its version, as far as known

    Raises CalculationFailed for a value that is not finite or has the wrong shape.
    """

    values: Mapping[str, np.ndarray]
    program: str = ""

    def __post_init__(self) -> None:
        values = {name: np.asarray(value, dtype=float) for name, value in self.values.items()}
        if "energy" not in values:
            raise CalculationFailed(f"the calculation returned no energy, only {', '.join(values) or 'nothing'}")
        for name, value in values.items():
            if name not in PER_ATOM and name not in PER_FRAME:
                raise CalculationFailed(
                    f"{name!r} is not a label; expected one of {', '.join((*PER_FRAME, *PER_ATOM))}"
                )
            tail = value.shape[1:] if name in PER_ATOM else value.shape
            if tail != (PER_ATOM | PER_FRAME)[name]:
                raise CalculationFailed(f"{name} has the shape {value.shape}, expected {(PER_ATOM | PER_FRAME)[name]}")
            if not np.isfinite(value).all():
                raise CalculationFailed(f"the calculation returned {name} that is not finite")
        object.__setattr__(self, "values", values)

    @property
    def energy(self) -> float:
        """eV."""
        return float(self.values["energy"])

    @property
    def forces(self) -> np.ndarray | None:
        """(n, 3) eV/Å."""
        return self.values.get("forces")

    @property
    def stress(self) -> np.ndarray | None:
        """(3, 3) eV/Å^3."""
        return self.values.get("stress")

    def attach(self, atoms: Atoms) -> Atoms:
        """A copy of the frame with this label, without constraints, which would zero forces.

        Energy, forces, stress and dipole are in its calculator, dielectric and polarizability in info, born_charges in
        arrays as (n, 9).
        """
        for name in PER_ATOM.keys() & self.values.keys():
            if len(self.values[name]) != len(atoms):
                raise CalculationFailed(f"{name} of {len(self.values[name])} atoms for a frame of {len(atoms)}")
        labelled = atoms.copy()
        labelled.set_constraint()
        results = {name: self.values[name].copy() for name in IN_CALCULATOR if name in self.values}
        results["energy"] = self.energy
        if "stress" in results:
            results["stress"] = full_3x3_to_voigt_6_stress(results["stress"])
        labelled.calc = SinglePointCalculator(labelled, **results)
        for name in ("dielectric", "polarizability"):
            if name in self.values:
                labelled.info[name] = self.values[name].copy()
        if "born_charges" in self.values:
            labelled.set_array("born_charges", self.values["born_charges"].reshape(-1, 9))
        return labelled
