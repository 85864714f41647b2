"""The figure of notebook 10: kinds of uncertainty beside the true errors, along a bond and on sets of frames."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from labkit.active.calibration import Samples
from labkit.active.calibration.measures.perfect import largest
from labkit.panels.kit.notebook_picture import NotebookPicture
from labkit.panels.kit.series import series
from labkit.panels.kit.style import INK, dress, legend, log_ticks, new_figure, notebook_image

ERROR, SIGMA, RATIO = "error [eV/Å]", "σ [eV/Å]", "error / σ"
#: kind of uncertainty -> set of frames -> samples with σ in eV/Å
BySet = Mapping[str, Mapping[str, Samples]]


def sizes_table(found: BySet) -> pd.DataFrame:
    """Root mean squares of errors and σ on each set, and their ratio: 1 if σ is right, more if it is too small."""
    rows = {}
    for kind, sets in found.items():
        for name, samples in sets.items():
            error, sigma = (float(np.sqrt(np.mean(values**2))) for values in (samples.errors, samples.sigmas))
            rows[kind, name] = {ERROR: error, SIGMA: sigma, RATIO: error / sigma}
    return pd.DataFrame(rows).T.rename_axis(["kind", "frames"])


def worst_atoms_table(scan: Mapping[str, Samples]) -> pd.DataFrame:
    """The largest error and the largest σ of each frame, by kind and ERROR or SIGMA."""
    columns = {}
    for kind, samples in scan.items():
        columns[kind, ERROR] = largest(samples.errors, samples.frame)
        columns[kind, SIGMA] = largest(samples.sigmas, samples.frame)
    return pd.DataFrame(columns)


def kinds_figure(lengths: np.ndarray, scan: Mapping[str, Samples], sets: BySet) -> NotebookPicture:
    """Left: along a bond of these lengths [Å], the worst atom of each frame; right: root mean squares on sets.

    True errors are black: those of one model are drawn once.
    """
    figure = new_figure(7.8, 3.9)
    left, right = figure.subplots(1, 2)
    worst = worst_atoms_table(scan)
    drawn: list[np.ndarray] = []
    for kind in scan:
        error = worst[kind, ERROR].to_numpy()
        if not any(np.allclose(error, other) for other in drawn):
            whose = kind.partition(":")[0]
            look = {"linestyle": ("-", (0, (5, 1.5)), (0, (1.4, 1.4)))[len(drawn) % 3]}
            left.plot(lengths, error, color=INK, linewidth=2.0, label=f"true error, {whose}", **look)
            drawn.append(error)
    for k, kind in enumerate(scan):
        left.plot(lengths, worst[kind, SIGMA], **series(k).joined(), linewidth=1.1, markersize=3.5, label=kind)
    dress(left, "O–H length [Å]", "worst atom [eV/Å]", "A stretched bond")
    values = worst.to_numpy()
    log_ticks(left.yaxis, values[values > 0].min() / 1.3, values.max() * 1.3)
    sizes = sizes_table(sets)
    span = sizes[[ERROR, SIGMA]].to_numpy()
    ends = span.min() / 1.4, span.max() * 1.4
    right.plot(ends, ends, color=INK, linewidth=0.9)
    for k, kind in enumerate(sets):
        for n, name in enumerate(sets[kind]):
            row, fill = sizes.loc[(kind, name)], {"markerfacecolor": "white"} if n == 0 else {}
            right.plot(row[SIGMA], row[ERROR], **series(k).dots(), markersize=7, **fill)
    dress(right, "σ [eV/Å]", "true error [eV/Å]", f"Error and σ: {' (hollow), '.join(next(iter(sets.values())))}")
    for axis in (right.xaxis, right.yaxis):
        log_ticks(axis, *ends)
    handles = left.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False, labelcolor=INK)
    legend(right, [right.lines[0]], ["σ is right"], loc="lower right")
    return notebook_image(figure)
