"""Extended tight binding by the tblite library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, ClassVar

from ase import Atoms

from labkit.errors import LabkitError, suggest
from labkit.oracles.errors import CalculationFailed, MissingProgram, Unconverged
from labkit.oracles.label import Label
from labkit.oracles.oracle import Oracle, never, threads
from labkit.oracles.structure import multiplicity, total_charge

METHODS = ("GFN1-xTB", "GFN2-xTB", "IPEA1-xTB")


@dataclass(frozen=True)
class TBLite(Oracle):
    """GFN1-xTB, GFN2-xTB and IPEA1-xTB: energy, forces, and stress of periodic frames.

    method                  one of METHODS
    accuracy                of integrals and SCF, smaller is tighter; 0.01 for Hessians
    electronic_temperature  K
    max_iterations          of the SCF

    Charge and spin are those of the frame (see structure_hash). Frames are open or periodic in all directions. Stop
    takes effect between frames: a calculation is one call of the library, of milliseconds for tens of atoms. Raises
    Unconverged after max_iterations. Source: Bannwarth et al., WIREs Comput. Mol. Sci. 11, e1493 (2021).

    >>> from ase.build import molecule
    >>> round(TBLite("GFN2-xTB").compute(molecule("H2O")).energy, 3)
    -137.968
    """

    kind: ClassVar[str] = "tblite"
    method: str = "GFN2-xTB"
    accuracy: float = 1.0
    electronic_temperature: float = 300.0
    max_iterations: int = 250

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            expected = f"{', '.join(METHODS)}{suggest(self.method, METHODS)}"
            raise LabkitError(f"tblite: no method {self.method!r}, expected one of {expected}")

    @property
    def name(self) -> str:
        iterations = f"{self.max_iterations} iterations"
        return f"tblite {self.method}, accuracy {self.accuracy:g}, {self.electronic_temperature:g} K, {iterations}"

    @property
    def cores(self) -> int:
        return threads()

    def require(self) -> None:
        _calculator()

    def compute(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> Label:
        from ase.calculators.calculator import CalculatorError

        if atoms.pbc.any() and not atoms.pbc.all():
            raise CalculationFailed(
                f"tblite: the frame is periodic in some directions only (pbc {atoms.pbc.tolist()}); expected all or "
                "none"
            )
        work = atoms.copy()
        work.set_constraint()
        work.calc = _calculator()(
            method=self.method,
            accuracy=self.accuracy,
            electronic_temperature=self.electronic_temperature,
            max_iterations=self.max_iterations,
            charge=total_charge(atoms),
            multiplicity=multiplicity(atoms),
            verbosity=0,
        )
        try:
            values = {"energy": work.get_potential_energy(), "forces": work.get_forces()}
            if atoms.pbc.all():
                values["stress"] = work.get_stress(voigt=False)
        except CalculatorError as error:
            kind = Unconverged if "not converged" in str(error) else CalculationFailed
            raise kind(f"tblite: {error}") from error
        return Label(values, f"tblite {version('tblite')}")


def _calculator() -> Any:
    try:
        from tblite.ase import TBLite as Calculator
    except ImportError as error:
        raise MissingProgram("tblite is not installed: python -m pip install tblite") from error
    return Calculator
