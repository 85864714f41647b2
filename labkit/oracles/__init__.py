"""Oracles, which label frames: tblite, PySCF, Quantum ESPRESSO, any ASE calculator; and the store of all labels."""

from labkit.oracles.calculation import Calculation
from labkit.oracles.calculator import CalculatorOracle
from labkit.oracles.errors import CalculationFailed, MissingProgram, StoreError, TimedOut, Unconverged
from labkit.oracles.espresso import Espresso
from labkit.oracles.label import Label
from labkit.oracles.labelling import Outcome, outcomes
from labkit.oracles.lammps import LammpsClassical
from labkit.oracles.levels import Difference, Prescreened
from labkit.oracles.oracle import Oracle
from labkit.oracles.pyscf import PySCF
from labkit.oracles.registry import ORACLES, make_oracle
from labkit.oracles.store import LabelStore, LabelStoreWarning
from labkit.oracles.structure import structure_hash
from labkit.oracles.tblite import TBLite

__all__ = [
    "ORACLES",
    "Calculation",
    "CalculationFailed",
    "CalculatorOracle",
    "Difference",
    "Espresso",
    "Label",
    "LabelStore",
    "LabelStoreWarning",
    "LammpsClassical",
    "MissingProgram",
    "Oracle",
    "Outcome",
    "Prescreened",
    "PySCF",
    "StoreError",
    "TBLite",
    "TimedOut",
    "Unconverged",
    "make_oracle",
    "outcomes",
    "structure_hash",
]
