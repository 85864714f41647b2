"""Any ASE calculator as an oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import Any, ClassVar

from ase import Atoms
from ase.calculators import calculator as ase_calculator
from ase.calculators.calculator import Calculator

from labkit.oracles.errors import CalculationFailed, Unconverged
from labkit.oracles.label import Label
from labkit.oracles.oracle import Oracle, never
from labkit.oracles.settings import NOT_HASHED


@dataclass(frozen=True)
class CalculatorOracle(Oracle):
    """Labels by an ASE calculator; `make` returns a new one for every frame, because calculators keep state.

    name      for display, and part of the hash
    make      a function without arguments, or a calculator's class
    options   other things that labels depend on, such as the sha256 of a model file; by default the
              calculator's class and its `parameters`
    threads   that one calculation uses, for the records

    Energy, forces and, with three lattice vectors, stress are taken if the calculator has them. Raises Unconverged
    for ASE's SCFError, for any error whose name contains "Convergence", and if the calculator's attribute
    `converged` is False, as with Vasp. Stop takes effect between frames.

    >>> from ase.build import molecule
    >>> from ase.calculators.emt import EMT
    >>> round(CalculatorOracle("EMT", EMT).compute(molecule("N2")).energy, 3)
    0.549
    """

    kind: ClassVar[str] = "calculator"
    name: str
    make: Callable[[], Calculator] = field(metadata=NOT_HASHED)
    options: Mapping[str, Any] | None = field(default=None, hash=False)
    threads: int = field(default=1, metadata=NOT_HASHED)

    @property
    def settings(self) -> dict[str, Any]:
        if self.options is not None:
            return {"name": self.name, "options": dict(self.options)}
        calculator = self.make()
        of = type(calculator)
        parameters = dict(getattr(calculator, "parameters", {}))
        return {"name": self.name, "class": f"{of.__module__}.{of.__qualname__}", "parameters": parameters}

    @property
    def cores(self) -> int:
        return self.threads

    def compute(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> Label:
        work = atoms.copy()
        work.set_constraint()  # or ASE sets forces on fixed atoms to zero
        work.calc = calculator = self.make()
        has = calculator.implemented_properties
        values: dict[str, Any] = {}
        try:
            values["energy"] = work.get_potential_energy()
            if "forces" in has:
                values["forces"] = work.get_forces()
            if "stress" in has and atoms.cell.rank == 3:
                values["stress"] = work.get_stress(voigt=False)
        except ase_calculator.SCFError as error:
            raise Unconverged(f"{self.name}: {error or 'the SCF did not converge'}") from error
        except (ase_calculator.CalculatorError, NotImplementedError) as error:
            raise CalculationFailed(f"{self.name}: {error}") from error
        except Exception as error:
            if "Convergence" in type(error).__name__:  # GPAW's KohnShamConvergenceError, Psi4's SCFConvergenceError
                raise Unconverged(f"{self.name}: {error}") from error
            raise
        if getattr(calculator, "converged", None) is False:
            raise Unconverged(f"{self.name}: the calculator reports that its SCF did not converge")
        return Label(values, _program(type(calculator).__module__.partition(".")[0]))


@cache
def _program(package: str) -> str:
    """Name and version of the distribution that contains this package; cached, since the search takes 0.2 s."""
    try:
        distribution = (packages_distributions().get(package) or [package])[0]
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return package
