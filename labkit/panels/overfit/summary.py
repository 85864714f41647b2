"""The numbers of a fit in the Overfitting panel, and its curves for the run tray."""

from __future__ import annotations

from typing import Any

import pandas as pd

from labkit.gap.bond_scan import BondScan
from labkit.gap.scan_design import ScanDesign, ScanFit
from labkit.panels.kit import html
from labkit.panels.kit.style import SET_NAMES
from labkit.panels.overfit.figure import SIGMA_UNIT


def table_of(point: ScanFit, design: ScanDesign) -> str:
    """RMSE of both sets, the evidence and the time, as HTML."""
    rows = []
    for which, label in SET_NAMES.items():
        if which in point.errors.index.get_level_values(0):
            rmse = point.errors.loc[which, "rmse"]
            rows.append([label, *(f"{rmse[q]:.3g}" if q in rmse.index else "" for q in ("energy", "forces"))])
    head = [f"RMSE, {design.n_frames} frames", "energy [meV/atom]", "forces [meV/Å]"]
    evidence, milliseconds = point.model.log_evidence, 1e3 * point.seconds
    words = f"log marginal likelihood {evidence:.0f}; this fit took {milliseconds:.0f} ms"
    return html.table(head, rows) + html.hint(words)


def curves_of(point: ScanFit, scan: BondScan, sweep: pd.DataFrame | None, quantity: str) -> dict[str, tuple[Any, Any]]:
    """The scan, and the validation error over the sigma swept, for overlays of runs."""
    curves: dict[str, tuple[Any, Any]] = {
        f"{scan.label} length [Å] -> energy [eV]": (scan.lengths, point.energy - point.energy.min())
    }
    if sweep is not None and ("valid", quantity) in sweep:
        name, unit = str(sweep.index.name), point.errors.loc[("valid", quantity), "unit"]
        key = f"{name} [{SIGMA_UNIT[name]}] -> validation {quantity} RMSE [{unit}]"
        curves[key] = (sweep.index, sweep["valid", quantity])
    return curves
