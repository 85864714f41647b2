"""The numbers of a fit in the Polarizability panel."""

from __future__ import annotations

import numpy as np

from labkit.panels.kit import html
from labkit.polarizability.split_design import SplitDesign, TensorFit

SHOWN = ("xx", "yy", "zz", "xy", "xz", "yz")


def table_of(fit: TensorFit, design: SplitDesign) -> str:
    """RMSE and mean spread by component, and by λ the length of the error, as HTML."""
    rmse = [f"{fit.errors[name]:.3f}" for name in (*SHOWN, 0, 2)]
    rows = [["RMSE [Å³]", *rmse]]
    if fit.spread is not None:
        spread = np.sqrt((fit.spread**2).mean(0)).ravel()
        by_name = dict(zip(fit.errors.index, spread, strict=False))
        rows.append(["spread [Å³]", *(f"{by_name[name]:.3f}" for name in SHOWN), "", ""])
    head = [f"{len(design.truth)} frames", *SHOWN, "λ = 0", "λ = 2"]
    words = (
        f"{len(design.sizes)} fits, to {', '.join(map(str, design.sizes))} frames: {1e3 * fit.seconds:.0f} ms in all"
    )
    return html.table(head, rows) + html.hint(words)
