"""A GAP design together with a bond scan: a fit and its prediction of the scan for any regularization."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.base import Progress
from labkit.datasets import Dataset
from labkit.errors import Stopped
from labkit.gap.bond_scan import BondScan
from labkit.gap.cache import grow_cached
from labkit.gap.config import GapConfig
from labkit.gap.design import Design
from labkit.gap.metrics import table
from labkit.gap.model import GapModel
from labkit.gap.profile import Profile


@dataclass(frozen=True, eq=False)
class ScanFit:
    """One fit: the model, its errors and predictions, and the energies and standard deviations [eV] of the scan."""

    model: GapModel
    errors: pd.DataFrame
    predictions: dict[str, dict[str, np.ndarray]]
    energy: np.ndarray
    spread: np.ndarray
    seconds: float


class ScanDesign:
    """A design, complete or still growing, and a bond scan; `fit` solves and predicts in about ten milliseconds."""

    def __init__(self, design: Design, scan: BondScan, started: float) -> None:
        self.design, self.scan = design, scan
        self.n_frames, self.notes = design.n_frames, list(design.notes)
        self.profile = Profile(design.solve(), scan.frames)
        self.seen = scan.seen(design.train[: self.n_frames])
        self.seconds = time.monotonic() - started

    def fit(self, **sigmas: float) -> ScanFit:
        """Fit with these sigmas; a sigma without rows in the design is ignored."""
        start = time.monotonic()
        used = {name: value for name, value in sigmas.items() if getattr(self.design.config, name) is not None}
        model = self.design.solve(**used)
        seconds = time.monotonic() - start
        sets = ("train",) if self.design.valid is None else ("train", "valid")
        predictions = {name: self.design.predictions(model, name) for name in sets}
        energy, spread = self.profile.predict(model)
        return ScanFit(model, table(predictions), predictions, energy.numpy(), spread.numpy(), seconds)


def scan_designs(
    train: Dataset, config: GapConfig, valid: Dataset | None, scan: BondScan, *, progress: Progress
) -> Iterator[ScanDesign]:
    """Yield a ScanDesign at times while frames are read, and one of all frames; read from the cache where possible."""
    started, shown = time.monotonic(), 0
    try:
        for design in grow_cached(train, config, valid, progress=progress):
            if time.monotonic() - started > 1.0 and 2 * shown < design.n_frames < len(train):
                shown = design.n_frames
                yield ScanDesign(design, scan, started)
        yield ScanDesign(design, scan, started)
    except Stopped as stop:
        raise Stopped(None if stop.partial is None else ScanDesign(stop.partial, scan, started)) from stop
