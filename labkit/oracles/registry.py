"""The kinds of oracles by name; a new one needs its own file and a line here."""

from __future__ import annotations

from typing import Any

from labkit.errors import LabkitError, suggest
from labkit.oracles.calculator import CalculatorOracle
from labkit.oracles.espresso import Espresso
from labkit.oracles.lammps import LammpsClassical
from labkit.oracles.oracle import Oracle
from labkit.oracles.pyscf import PySCF
from labkit.oracles.tblite import TBLite

KINDS = (TBLite, PySCF, Espresso, LammpsClassical, CalculatorOracle)
ORACLES: dict[str, type[Oracle]] = {oracle.kind: oracle for oracle in KINDS}


def make_oracle(kind: str, **settings: Any) -> Oracle:
    """An oracle by its name and settings, as in a settings file.

    >>> make_oracle("tblite", method="GFN1-xTB").name
    'tblite GFN1-xTB, accuracy 1, 300 K, 250 iterations'
    """
    if kind not in ORACLES:
        raise LabkitError(f"no oracle {kind!r}, expected one of {', '.join(ORACLES)}{suggest(kind, ORACLES)}")
    fields = ORACLES[kind].__dataclass_fields__  # type: ignore[attr-defined]
    for key in settings:
        if key not in fields:
            raise LabkitError(f"{kind}: unknown setting {key!r}{suggest(key, fields)}; it has {', '.join(fields)}")
    return ORACLES[kind](**settings)
