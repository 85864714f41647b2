"""The measures of a judged σ as a table, and its rescaling in words."""

from __future__ import annotations

import numpy as np

from labkit.active.calibration.isotonic import Isotonic
from labkit.active.calibration.judged import Judged
from labkit.active.calibration.rescaling import FactorOfSpecies, OneFactor, Rescaling
from labkit.panels.kit import html

UNITS = {"RMSE": " [eV/Å]", "RMV": " [eV/Å]", "calibration error": " [eV/Å]"}


def table_of(judged: Judged) -> str:
    """Each measure, its 95 % interval, and what a perfect σ would reach on the same frames."""
    rows = []
    for name, row in judged.table.iterrows():
        known = np.isfinite(row["value"])
        interval = f"{row['low']:.3f} to {row['high']:.3f}" if known and np.isfinite(row["low"]) else ""
        perfect = f"{row['perfect']:.3f}" if np.isfinite(row["perfect"]) and name != "RMSE" else ""
        rows.append(
            [f"{name}{UNITS.get(name, '')}", f"{row['value']:.3f}" if known else "undefined", interval, perfect]
        )
    return html.table(["measure", "value", "95 %", "if σ were right"], rows)


def words_of(rescaling: Rescaling | None, unit: str) -> str:
    """As in "σ' = 2.31 σ."."""
    if rescaling is None:
        return "" if unit == "eV/Å" else "σ is a score: it ranks, and only a rescaling makes it an error."
    if isinstance(rescaling, OneFactor):
        return f"σ' = {rescaling.factor:.3g} σ."
    if isinstance(rescaling, FactorOfSpecies):
        return "σ' = " + ", ".join(f"{factor:.3g} σ of {kind}" for kind, factor in rescaling.factors.items()) + "."
    if isinstance(rescaling, Isotonic):
        low, high = rescaling.errors[0], rescaling.errors[-1]
        return f"σ' grows with σ, from {low:.3g} to {high:.3g} eV/Å; {len(rescaling.errors)} knots."
    return str(rescaling)
