"""Oracles: whatever can label a structure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.singlepoint import SinglePointCalculator

from labkit.errors import LabkitError


class MissingProgram(LabkitError):
    """A program that an oracle runs is not installed."""


def never() -> bool:
    return False


class Oracle(Protocol):
    """`label` returns a copy of a structure with energy [eV], forces [eV/Å], stress [eV/Å^3] in its calculator.

    `name` describes method and settings in one line; it is stored beside each label, so that labels of different
    oracles are not mixed. `should_stop` may be asked while the work goes on; an oracle that hears True raises Stopped.
    It is called from several threads at a time.
    """

    @property
    def name(self) -> str: ...

    def label(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> Atoms: ...


@dataclass(frozen=True)
class CalculatorOracle:
    """Labels by an ASE calculator; `make` returns a new one for every frame, because calculators keep state.

    >>> from ase.build import molecule
    >>> from ase.calculators.emt import EMT
    >>> round(CalculatorOracle("EMT", EMT).label(molecule("N2")).get_potential_energy(), 3)
    0.549
    """

    name: str
    make: Callable[[], Calculator]

    def label(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> Atoms:
        work = atoms.copy()
        work.calc = self.make()
        results = {"energy": float(work.get_potential_energy()), "forces": work.get_forces()}
        if atoms.cell.rank == 3 and "stress" in work.calc.implemented_properties:
            results["stress"] = work.get_stress()
        labelled = atoms.copy()
        labelled.calc = SinglePointCalculator(labelled, **results)
        return labelled
