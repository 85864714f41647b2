"""The estimates of the Mobility panel in words: M_self, the coupling of near pairs, and the quality of the lag."""

from __future__ import annotations

import torch

from labkit.mobility import Estimate, Mobility
from labkit.mobility.repeated_releases import LagEstimates
from labkit.mobility.tweezers import LAGS, of_pair
from labkit.panels.kit import html


def table_of(view: LagEstimates, radius: float, truth: Mobility | None) -> tuple[str, str]:
    """A row of numbers as HTML, and a sentence on the lag and the model."""
    scale = view.scale

    def number(found: Estimate, k: int) -> str:
        return f"{scale * float(found.value[k]):.4f} ± {scale * float(found.error[k]):.4f}"

    head, cells = ["pairs", "k_BT M_self [nm²/ns]"], [f"{view.releases.sightings.pairs}"]
    cells.append(number(view.overall[view.lag], 0))
    if view.bins:
        r, found = view.bins[0]
        head += [f"along at {r / radius:.1f} radii", "across"]
        cells += [number(found, 1), number(found, 2)]
    words = [_about_lag(view)]
    if view.releases.learned is not None and truth is not None:
        words.append(_about_model(view, truth))
    return html.table(head, [cells]), "\n".join(words)


def _about_lag(view: LagEstimates) -> str:
    k = LAGS.index(view.lag)
    beside = [
        f"{word} this lag {view.scale * float(view.overall[LAGS[j]].value[0]):.4f}"
        for j, word in ((k - 1, "at half"), (k + 1, "at twice"))
        if 0 <= j < len(LAGS)
    ]
    return (
        f"M_self is {' and '.join(beside)}. If the lag is too short, the camera's blur counts; if too long, pairs "
        "move to other distances. Choose one where neighbouring lags agree within their errors, near pairs included."
    )


def _about_model(view: LagEstimates, truth: Mobility) -> str:
    tweezers = view.releases.tweezers
    r = torch.linspace(tweezers.nearest, tweezers.farthest, 60, dtype=torch.float64)
    error = (of_pair(view.releases.learned, r) / of_pair(truth, r) - 1).abs().amax(0)
    own, along, across = (f"{100 * float(e):.1f} %" for e in error)
    return f"The learned model is wrong by at most {own} for itself, {along} along, {across} across."
