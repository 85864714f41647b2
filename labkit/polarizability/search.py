"""Choosing regularization and descriptors: errors of frames left out, for every noise from one design."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from labkit.base import NO_PROGRESS, Progress
from labkit.errors import LabkitError, Stopped
from labkit.parallel import each, one_thread
from labkit.polarizability.design import TensorDesign
from labkit.polarizability.labels import Frames
from labkit.polarizability.target import Target

if TYPE_CHECKING:
    from distributed import Client

DECADES = tuple(float(x) for x in np.logspace(-10, -1, 10))


def noise_map(
    design: TensorDesign,
    values: Sequence[float] = DECADES,
    *,
    train: Sequence[int] | np.ndarray | None = None,
    groups: Sequence[Hashable] | None = None,
) -> pd.DataFrame:
    """Root mean square error of frames left out, by regularization (rows) and λ (columns), in the target's unit.

    It is the length of the error of each λ's part; the squares over λ add up to that of the tensor. The best
    regularization is `noise_map(design).idxmin().to_dict()`. `groups` are left out together (TensorDesign.leave_out).

    >>> import labkit
    >>> from labkit.polarizability import TensorDesign, noise_map, with_label
    >>> frames = with_label(labkit.datasets.ice("train"), "polarizability")[:12]
    >>> design = TensorDesign.build(frames, n_max=3, l_max=2, n_features=20)
    >>> model = design.solve(noise_map(design).idxmin().to_dict())
    """
    table = pd.DataFrame(index=pd.Index(values, name="regularization", dtype=float), columns=list(design.target.parts))
    for value in values:
        for degree, (labels, found) in design.leave_out(value, train, groups).items():
            table.loc[value, degree] = float((found - labels).square().sum(1).mean().sqrt())
    return table.astype(float).rename_axis(columns="lambda")


def search(
    frames: Frames,
    settings: Mapping[Hashable, Mapping[str, Any]],
    target: str | Target = "polarizability",
    *,
    values: Sequence[float] = DECADES,
    groups: Sequence[Hashable] | None = None,
    client: Client | None = None,
    progress: Progress = NO_PROGRESS,
) -> pd.DataFrame:
    """One row for each of the named `settings` of TensorDesign.build, at its best regularization.

    Columns: ("error", λ) and ("error", "all"), ("regularization", λ). With a dask `client` the designs are built on its
    workers. Raises LabkitError for invalid settings, and Stopped, whose `partial` is the table so far.
    """
    if not settings:
        raise LabkitError("no settings to search; give them by name, as in {'near': dict(cutoff=3.0)}")
    rows: dict[Hashable, dict] = {}
    tasks = {name: (dict(chosen),) for name, chosen in settings.items()}
    try:
        for name, row in each(_one, tasks, (frames, target, tuple(values), groups), client=client, progress=progress):
            rows[name] = row
            progress.update(len(rows), len(tasks), result=_table(settings, rows))
    except Stopped as stop:
        raise Stopped("stopped while searching", _table(settings, rows) if rows else None) from stop
    return _table(settings, rows)


def _one(shared: tuple, settings: dict[str, Any]) -> dict[tuple[str, Any], float]:
    frames, target, values, groups = shared
    with one_thread():
        found = noise_map(TensorDesign.build(frames, target, **settings), values, groups=groups)
    errors = {("error", degree): error for degree, error in found.min().items()}
    noises = {("regularization", degree): noise for degree, noise in found.idxmin().items()}
    return {**errors, ("error", "all"): float(np.sqrt((found.min() ** 2).sum())), **noises}


def _table(settings: Mapping[Hashable, Any], rows: Mapping[Hashable, dict]) -> pd.DataFrame:
    names = [name for name in settings if name in rows]
    columns = pd.MultiIndex.from_tuples(rows[names[0]])
    return pd.DataFrame(
        [list(rows[name].values()) for name in names], index=pd.Index(names, tupleize_cols=False), columns=columns
    )
