"""Report: all measures of an uncertainty in one table, with error bars and what a perfect σ would reach."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd

from labkit.active.calibration.measures.arrays import checked, checked_labels
from labkit.active.calibration.measures.bootstrap import bootstrap
from labkit.active.calibration.measures.likelihood import nll
from labkit.active.calibration.measures.perfect import Measure, largest, perfect
from labkit.active.calibration.measures.quantiles import miscalibration_area
from labkit.active.calibration.measures.rank import spearman
from labkit.active.calibration.measures.reliability import calibration_error, ence
from labkit.active.calibration.measures.roc import auc
from labkit.active.calibration.samples import Samples
from labkit.active.uncertainty import Uncertainty
from labkit.base import Potential
from labkit.datasets import Dataset
from labkit.errors import LabkitError

FEWEST = 10


def report(
    errors: Any,
    sigmas: Any,
    *,
    bound: float | None = None,
    dof: int | None = 1,
    species: Any = None,
    group: Any = None,
    frame: Any = None,
    draws: int = 100,
    seed: int = 0,
) -> pd.DataFrame:
    """A row for each measure: value, low and high (95 %, by bootstrap), and perfect, if errors were as σ says.

    bound    error above which frames are to be found: adds the AUC
    dof      1 for components and energies, 3 for lengths of vectors, None for a score, whose size means nothing: then
             only ranks are compared, and nothing is perfect
    species  of each error: rows also for each species, as a first level of the index
    group    what is resampled as a whole for the error bars: run, block or frame of each error
    frame    number of the frame of each error: what is compared is then the largest error and σ of each frame

    Rows: RMSE, RMV (root mean variance σ²), Spearman, ENCE, calibration error, miscalibration area, NLL, AUC. A
    measure that is undefined here, such as an AUC without errors above the bound, is NaN.

    >>> random = np.random.default_rng(0)
    >>> sigmas = np.exp(random.normal(-2, 0.5, 2000))
    >>> table = report(sigmas * random.normal(size=2000), sigmas, bound=0.3)
    >>> table.columns.tolist(), bool(abs(table.loc["Spearman", "value"] - table.loc["Spearman", "perfect"]) < 0.05)
    (['value', 'low', 'high', 'perfect'], True)
    """
    e, s = checked(errors, sigmas, FEWEST)
    labels = {
        name: None if x is None else checked_labels(x, len(e), name)
        for name, x in (("group", group), ("frame", frame), ("species", species))
    }
    one = partial(_table, bound=bound, dof=dof, draws=draws, seed=seed)
    tables = {"all": one(e, s, labels["group"], labels["frame"])}
    if species is None:
        return tables["all"]
    for kind in np.unique(labels["species"]):
        mine = labels["species"] == kind
        if mine.sum() < FEWEST:
            raise LabkitError(f"too few frames: {mine.sum()} errors of {kind}; expected {FEWEST} or more")
        tables[str(kind)] = one(e[mine], s[mine], *(None if x is None else x[mine] for x in list(labels.values())[:2]))
    return pd.concat(tables, names=["species", "measure"])


def report_of(
    uncertainty: Uncertainty,
    potential: Potential,
    frames: Dataset,
    per: Literal["component", "atom", "frame", "energy"] = "component",
    *,
    bound: float | None = None,
    draws: int = 100,
    seed: int = 0,
) -> pd.DataFrame:
    """The report of a potential's uncertainty on labelled frames; error bars by blocks of runs, see `blocks`.

    per   "component" or "atom" of forces, with rows for each species; "frame": the worst atom; "energy" per atom

    `bound` is in eV/Å, or eV/atom for energies.
    """
    samples = Samples.of(uncertainty, potential, frames, "atom" if per == "frame" else per)
    scored = samples.unit not in ("eV/Å", "eV/atom")
    return report(
        samples.errors,
        samples.sigmas,
        bound=bound,
        dof=None if scored else samples.dof,
        species=samples.species if per in ("component", "atom") else None,
        group=samples.group,
        frame=samples.frame if per == "frame" else None,
        draws=draws,
        seed=seed,
    )


def _measures(dof: int | None, bound: float | None, worst: bool) -> dict[str, Measure]:
    """The worst atom of a frame has no simple distribution and is larger than its σ: it is ranked only."""
    found: dict[str, Measure] = {"RMSE": lambda e, s: float(np.sqrt(np.mean(e**2)))}
    found["Spearman"] = spearman
    if dof is not None and not worst:
        found |= {
            "RMV": lambda e, s: float(np.sqrt(np.mean(s**2))),
            "ENCE": ence,
            "calibration error": calibration_error,
            "miscalibration area": partial(miscalibration_area, dof=dof),
            "NLL": partial(nll, dof=dof),
        }
    if bound is not None:
        found[f"AUC above {bound:g}"] = partial(auc, bound=bound)
    return found


def _table(
    e: np.ndarray,
    s: np.ndarray,
    group: np.ndarray | None,
    frame: np.ndarray | None,
    *,
    bound: float | None,
    dof: int | None,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    errors, sigmas, groups = e, s, group
    if frame is not None:
        errors, sigmas = largest(e, frame), largest(s, frame)
        groups = None if group is None else group[np.unique(frame, return_index=True)[1]]
    rows = {}
    for name, measure in _measures(dof, bound, frame is not None).items():
        value = _or_nan(lambda m=measure: m(errors, sigmas))
        bars = _or_nan(lambda m=measure: bootstrap(m, errors, sigmas, group=groups, draws=draws, seed=seed))
        best = _or_nan(lambda m=measure: None if dof is None else perfect(m, s, dof, frame=frame, draws=20, seed=seed))
        rows[name] = (
            value,
            getattr(bars, "low", np.nan),
            getattr(bars, "high", np.nan),
            getattr(best, "value", np.nan),
        )
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high", "perfect"])
    return table.rename_axis("measure")


def _or_nan(compute: Callable[[], Any]) -> Any:
    """NaN for what is undefined for these errors, as is the order of equal sigmas."""
    try:
        return compute()
    except LabkitError:
        return np.nan
