"""Settings side by side: each fitted at its own best sigma, by validation and by evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from labkit.base import NO_PROGRESS, Progress
from labkit.datasets import Dataset
from labkit.errors import LabkitError, Stopped
from labkit.gap.cache import build_cached
from labkit.gap.config import GapConfig
from labkit.gap.sweep import sweep

DECADES = tuple(np.geomspace(1e-3, 1.0, 10))


def compare(
    configs: Mapping[str, GapConfig],
    train: Dataset,
    valid: Dataset,
    *,
    sigma: str = "sigma_force",
    values: Sequence[float] = DECADES,
    frames: Sequence[int] = (),
    progress: Progress = NO_PROGRESS,
) -> pd.DataFrame:
    """One row per config: the best validation error and the best evidence over the `values` of `sigma`.

    Columns: smallest validation RMSE (energy [meV/atom], forces [meV/Å]; forces decide), `sigma` there, the largest log
    evidence, `sigma` there, and the validation RMSE at that sigma. Evidence compares configs
    on the same training frames only. With `frames`, a row for each config and number of (first) training frames, by
    (frames, config): one design serves them all. Designs that were built before are read from the cache.
    """
    if not configs:
        raise LabkitError("no configs to compare; give them by name, as in {'small': GapConfig(...)}")
    rows: dict[Any, dict[str, float]] = {}
    for step, (name, config) in enumerate(configs.items()):
        if progress.should_stop():
            raise Stopped(partial=pd.DataFrame(rows).T)
        design = build_cached(train, config, valid)
        if not frames:
            rows[name] = _best(sweep(design, sigma, values), sigma)
        for n in frames:
            rows[n, name] = _best(sweep(design.subset(range(n)), sigma, values), sigma)
        progress.update(step + 1, len(configs))
    table = pd.DataFrame(rows).T
    return table.rename_axis(["frames", None]).sort_index(level=0, sort_remaining=False) if frames else table


def _best(table: pd.DataFrame, sigma: str) -> dict[str, float]:
    error, evidence = table["valid", "forces"], table["log evidence", ""]
    return {
        "energy": table["valid", "energy"][error.idxmin()],
        "forces": error.min(),
        f"{sigma}, validation": error.idxmin(),
        "log evidence": evidence.max(),
        f"{sigma}, evidence": evidence.idxmax(),
        "forces by evidence": error[evidence.idxmax()],
    }
