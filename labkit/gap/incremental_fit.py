"""A GAP fitted to more and more frames, with a model and its errors after every block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.base import Progress
from labkit.datasets import Dataset
from labkit.errors import Stopped
from labkit.gap.config import GapConfig
from labkit.gap.design import Design
from labkit.gap.model import GapModel


@dataclass(frozen=True, eq=False, repr=False)
class IncrementalFit:
    """The fit to the first `n_frames` training frames: the model, its errors on both sets, and those of earlier fits.

    errors       as of Design.errors
    predictions  {'train': ..., 'valid': ...} as of Design.predictions
    curve        one (n_frames, errors) for each fit so far, this one last
    blocks       `Design.build(..., blocks=blocks)` gives this fit's design; None for that of all frames
    """

    model: GapModel
    n_frames: int
    errors: pd.DataFrame
    predictions: dict[str, dict[str, np.ndarray]]
    notes: tuple[str, ...]
    curve: tuple[tuple[int, pd.DataFrame], ...]
    blocks: int | None = None

    def __repr__(self) -> str:
        return f"Fit of {self.n_frames} frames"


def incremental_fits(
    train: Dataset,
    config: GapConfig,
    valid: Dataset | None,
    *,
    progress: Progress,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Iterator[IncrementalFit]:
    """Yield an IncrementalFit after every block of frames; when stopped, the last one has all frames read by then."""
    curve: list[tuple[int, pd.DataFrame]] = []
    design = None
    try:
        for design in Design.grow(train, config, valid=valid, progress=progress, checkpoint=checkpoint):
            yield fit_of(design, curve)
    except Stopped as stop:
        design = stop.partial or design
        if design is not None and (not curve or design.n_frames > curve[-1][0]):
            yield fit_of(design, curve)
        raise Stopped() from stop


def fit_of(design: Design, curve: list[tuple[int, pd.DataFrame]]) -> IncrementalFit:
    """The fit of a design; it is added to the `curve` of earlier ones."""
    model = design.solve()
    errors = design.errors(model)
    if curve and curve[-1][0] == design.n_frames:
        curve.pop()  # validation frames came last
    curve.append((design.n_frames, errors))
    sets = ("train",) if design.valid is None else ("train", "valid")
    predictions = {name: design.predictions(model, name) for name in sets}
    notes = tuple(design.notes)
    return IncrementalFit(model, design.n_frames, errors, predictions, notes, tuple(curve), design.blocks)
