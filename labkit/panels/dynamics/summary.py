"""The numbers of a run in the Dynamics panel: temperature, its fluctuation, and the drift of the energy."""

from __future__ import annotations

import numpy as np

from labkit.engine import degrees_of_freedom
from labkit.engine.adjustable_run import AdjustableRun
from labkit.panels.kit import html


def table_of(run: AdjustableRun) -> tuple[str, str]:
    """A row of numbers as HTML, and a sentence on how the temperature fluctuates."""
    rows = np.array(list(run.rows), dtype=float)
    atoms = run.state.system.numbers.numel()
    time, total, temperature = rows[:, 1], 1e3 * rows[:, 4] / atoms, rows[:, 5]
    slope = np.polyfit(time * 1e-3, total, 1)[0] if len(rows) > 2 and np.isfinite(total).all() else np.nan
    kept = np.isfinite(slope) and not np.isfinite(rows[:, 6]).any()  # a thermostat changes the energy on purpose
    drift = f"{slope:+.2g}" if kept else ""
    head = ["time [fs]", "temperature [K]", "its std. dev. [K]", "energy drift [meV/atom/ps]"]
    table = html.table(head, [[f"{time[-1]:.1f}", f"{temperature.mean():.0f}", f"{temperature.std():.0f}", drift]])
    free = float(degrees_of_freedom(run.state.system, com_removed=True)[0])
    mean, canonical = temperature.mean(), np.sqrt(2 / max(free, 1.0))
    words = (
        f"Canonical dynamics of {free:.0f} degrees of freedom would have σ_T = T √(2/f) = {mean * canonical:.0f} K; "
        f"a harmonic solid at constant energy T/√f = {mean / np.sqrt(max(free, 1.0)):.0f} K."
    )
    return table, words
