"""A GAP fit that can be watched while its frames stream in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.base import Progress
from labkit.datasets import Dataset
from labkit.errors import Stopped
from labkit.gap import Design, GapConfig, GapModel
from labkit.panels.kit.style import to_png
from labkit.panels.train.figure import parity_figure


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """What is known after `n_frames` training frames: the model, its errors on both sets, and the way there.

    errors       as of Design.errors
    predictions  {'train': ..., 'valid': ...} as of Design.predictions
    curve        one (n_frames, errors) for each fit so far, this one last
    """

    model: GapModel
    n_frames: int
    errors: pd.DataFrame
    predictions: dict[str, dict[str, np.ndarray]]
    notes: tuple[str, ...]
    curve: tuple[tuple[int, pd.DataFrame], ...]

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """What a notebook shows of it: parity and learning curve, 700 pixels wide."""
        return to_png(parity_figure(self, self.n_frames)), {"width": 700}

    def __repr__(self) -> str:
        return f"Fit of {self.n_frames} frames"


def fits(
    train: Dataset,
    config: GapConfig,
    valid: Dataset | None,
    *,
    progress: Progress,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Iterator[Fit]:
    """Yield a Fit after every block of frames; when stopped, the last is of all frames done by then."""
    curve: list[tuple[int, pd.DataFrame]] = []
    design = None
    try:
        for design in Design.grow(train, config, valid=valid, progress=progress, checkpoint=checkpoint):
            yield _fit(design, curve)
    except Stopped as stop:
        design = stop.partial or design
        if design is not None and (not curve or design.n_frames > curve[-1][0]):
            yield _fit(design, curve)
        raise Stopped() from stop


def _fit(design: Design, curve: list[tuple[int, pd.DataFrame]]) -> Fit:
    model = design.solve()
    errors = design.errors(model)
    if curve and curve[-1][0] == design.n_frames:
        curve.pop()  # validation frames came last
    curve.append((design.n_frames, errors))
    sets = ("train",) if design.valid is None else ("train", "valid")
    predictions = {name: design.predictions(model, name) for name in sets}
    return Fit(model, design.n_frames, errors, predictions, tuple(design.notes), tuple(curve))
