"""The peaks of the spectra in the Spectra panel, and their errors."""

from __future__ import annotations

import numpy as np

from labkit.panels.kit import html
from labkit.panels.spectra.figure import HIGHEST, ROWS
from labkit.spectra import Spectrum
from labkit.spectra.spectra_run import SpectraRun
from labkit.spectra.spectra_set import SpectraSet

MOST = 6  # peaks of a spectrum that are named
HEAD = ["", "peaks [cm⁻¹]", "± replicas", "± models"]  # errors at the highest of them


def table_of(shown: SpectraSet) -> str:
    """A row for each spectrum: its peaks, and the relative errors at the highest of them."""
    rows = []
    for title, (_, curves) in ROWS.items():
        for curve in curves:
            if curve.name in shown.spectra and (curve is curves[0] or title == "Raman"):
                name = title if curve is curves[0] and title != "Raman" else f"{title}, {curve.label}"
                rows.append([name, *_row(shown.spectra[curve.name])])
    return html.table(HEAD, rows)


def words_of(run: SpectraRun, shown: SpectraSet, resolution: float) -> str:
    """Remarks on the spectra."""
    words = ["Dark band: standard error over the replicas; light: with the spread over the models."]
    if shown.resolution > 1.001 * resolution:
        words.append(f"{resolution:g} cm⁻¹ were requested; the run is too short, it shows {shown.resolution:.0f}.")
    if (fallen := run.fallen) is not None:
        words.append(
            f"Replica {fallen[0]} is in a hole of the potential: at {fallen[1]:.2f} ps its potential energy lies below "
            "that of the minimum. From then on its spectrum is meaningless."
        )
    return "\n".join(words)


def _row(spectrum: Spectrum) -> list[str]:
    peaks = spectrum.peaks(prominence=0.05, high=HIGHEST)
    if not len(peaks):
        return ["", "", ""]
    highest = peaks.sort_values("intensity", ascending=False)
    named = ", ".join(f"{f:.0f}" for f in sorted(highest["frequency"][:MOST]))
    at = int(np.abs(spectrum.frequency - highest["frequency"].iloc[0]).argmin())
    errors = (spectrum.error, spectrum.error_models)
    return [named, *("" if e is None else f"{e[at] / spectrum.intensity[at]:.1%}" for e in errors)]
