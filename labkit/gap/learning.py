"""Learning curves: errors against the number of training frames, from one design; resumed bit for bit."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from labkit.base import NO_PROGRESS, Progress
from labkit.base.settings import ModelSettings
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.files import atomic_write
from labkit.gap.cache import build_cached
from labkit.gap.checkpoint import fingerprint
from labkit.gap.config import GapConfig
from labkit.gap.design import Design
from labkit.gap.frame_noise import noise_digest
from labkit.gap.incremental_fit import IncrementalFit, fit_of
from labkit.gap.power_law import PowerLaw
from labkit.parallel import each, one_thread

if TYPE_CHECKING:
    from distributed import Client

Fit = tuple[int, int]  # size, repeat
_NAMES = re.compile(r"curve\.json|fit-\d+-\d+\.json|\..*")


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Errors of fits to nested subsets: each repeat has its own order of the frames, each size takes the first of them.

    The first repeat keeps the order of the training set. All fits share the sparse points, which are taken from the
    structures of all frames (no label is used), so that one set of descriptors serves them all. The fit to all frames
    is made once, however many repeats there are.

    table    one row for each size, repeat, set and quantity: rmse, mae, max, count, unit and log_evidence
    seconds  of the fits made in this run; those read from a checkpoint are not included
    settings of the fits

    >>> import labkit
    >>> from labkit.gap import GapConfig, Soap
    >>> train, valid = labkit.datasets.ice("train", n=50)[:20], labkit.datasets.ice("valid")[:5]
    >>> config = GapConfig(Soap(n_max=3, l_max=2, n_sparse=20), sigma_virial=None)
    >>> curve = LearningCurve.build(train, config, valid, sizes=[5, 10, 20], repeats=2)
    >>> curve.summary().loc[("valid", "forces"), "fits"].tolist()
    [2, 2, 1]
    """

    table: pd.DataFrame
    settings: ModelSettings
    seconds: Mapping[Fit, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def build(cls, *arguments: Any, **options: Any) -> LearningCurve:
        """Like `grow`, but return the complete curve."""
        *_, curve = cls.grow(*arguments, **options)
        return curve

    @classmethod
    def grow(
        cls,
        train: Dataset,
        config: GapConfig,
        valid: Dataset | None = None,
        *,
        sizes: Sequence[int] = (50, 100, 200, 400),
        repeats: int = 3,
        seed: int = 0,
        client: Client | None = None,
        progress: Progress = NO_PROGRESS,
        checkpoint: str | os.PathLike[str] | None = None,
        only: Collection[Fit] | None = None,
    ) -> Iterator[LearningCurve]:
        """Yield the curve after every fit; the last one is complete, or has `only` these fits: (size, repeat from 0).

        Fits run on the workers of a dask `client` if one is given. Each is written to the `checkpoint` folder when
        done, and read from it next time: a killed run loses only those in progress, and ends with the same table to the
        byte. Everything runs on one thread, here and on workers, so that the last digits do not depend on where.

        Raises LabkitError for sizes larger than the training set, and for a checkpoint of other data.
        """
        sizes = _checked(sizes, repeats, len(train))
        with one_thread():
            design = build_cached(train, config, valid, progress=progress)
        how = {"client": client, "progress": progress, "checkpoint": checkpoint, "only": only}
        yield from cls.of_fits(
            one_fit, design, design.config, curve_fingerprint(design, seed), len(train), tuple(design.notes),
            sizes=sizes, repeats=repeats, seed=seed, **how,
        )  # fmt: skip

    @classmethod
    def of_fits(
        cls,
        fit: Callable[[Any, list[int]], tuple[list[dict[str, Any]], float]],
        shared: Any,
        settings: ModelSettings,
        mark: str,
        frames: int,
        notes: tuple[str, ...] = (),
        *,
        sizes: Sequence[int],
        repeats: int,
        seed: int = 0,
        client: Client | None = None,
        progress: Progress = NO_PROGRESS,
        checkpoint: str | os.PathLike[str] | None = None,
        only: Collection[Fit] | None = None,
    ) -> Iterator[LearningCurve]:
        """Yield the curve of any model after each `fit(shared, frames)`, which gives rows of the table and seconds.

        mark    what the fits depend on, as text: a checkpoint with another one is refused
        frames  their number in all
        """
        sizes = _checked(sizes, repeats, frames)
        store = _FitStore(checkpoint, mark)
        fits = [(size, k) for size in sizes for k in range(1 if size == frames else repeats)]
        fits = [one for one in fits if only is None or one in only]
        done = {one: store.read(one) for one in fits}
        tasks = {one: (_order(frames, seed, one[1])[: one[0]],) for one in fits if done[one] is None}
        seconds: dict[Fit, float] = {}
        if not tasks:
            yield cls(_table(fits, done), settings, seconds, notes)
        for one, (rows, elapsed) in each(fit, tasks, shared, client=client, progress=progress):
            store.write(one, rows)
            done[one], seconds[one] = rows, elapsed
            yield cls(_table(fits, done), settings, dict(seconds), notes)

    def summary(self) -> pd.DataFrame:
        """Mean RMSE and its standard deviation over the repeats, by (set, quantity) and size."""
        groups = self.table.groupby(["set", "quantity", "size"], sort=True)["rmse"]
        return groups.agg(rmse="mean", spread="std", fits="count").fillna({"spread": 0.0})

    def law(self, which: str = "valid", quantity: str = "forces", last: int = 3) -> PowerLaw:
        """a N^-b fitted to the `last` sizes; raises LabkitError if there are fewer than two."""
        summary = self.summary()
        if (which, quantity) not in summary.index.droplevel("size"):
            raise LabkitError(f"this curve has no {quantity} of {which!r} frames")
        found = summary.loc[(which, quantity)].iloc[-last:]
        return PowerLaw.through(found.index.to_numpy(), found["rmse"].to_numpy())

    def to_csv(self) -> str:
        """The table as text; equal curves give equal bytes."""
        return self.table.to_csv(index=False)


def one_fit(design: Design, frames: Sequence[int]) -> tuple[list[dict[str, Any]], float]:
    """Rows of the table for the fit to these training frames, and the seconds it took."""
    start = time.monotonic()
    with one_thread():
        part = design.subset(frames)
        model = part.solve()
        rows = part.errors(model).reset_index().to_dict("records")
    evidence = float(model.log_evidence)
    plain = [{k: v.item() if isinstance(v, np.generic) else v for k, v in row.items()} for row in rows]
    return [{**row, "log_evidence": evidence} for row in plain], time.monotonic() - start


def fit_at(design: Design, size: int, repeat: int = 0, seed: int = 0) -> IncrementalFit:
    """The fit of a learning curve at this size and repeat, with its model; `design` is that of all its frames."""
    with one_thread():
        return fit_of(design.subset(_order(len(design.train), seed, repeat)[:size]), [])


class _FitStore:
    """Finished fits, one small file each, with a digest and a fingerprint of data and settings.

    A file that does not fit, as one of an earlier version without a digest, is computed again and replaced.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, mark: str) -> None:
        self.folder, self.mark = None if folder is None else Path(folder), mark
        if self.folder is None:
            return
        path = self.folder / "curve.json"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabkitError(f"{self.folder}: the checkpoint folder cannot be made ({error.strerror})") from error
        written = _read(path).get("fingerprint")
        if written is None and all(_NAMES.fullmatch(file.name) for file in self.folder.iterdir()):
            atomic_write(path, json.dumps({"fingerprint": self.mark}))
        elif written != self.mark:
            raise LabkitError(
                f"{self.folder}: holds the learning curve of other data or settings; choose another folder or delete it"
            )

    def read(self, fit: Fit) -> list[dict[str, Any]] | None:
        if self.folder is None:
            return None
        found = _read(self._path(fit))
        rows = found.get("rows")
        return rows if isinstance(rows, list) and found.get("sha256") == self._digest(fit, rows) else None

    def write(self, fit: Fit, rows: list[dict[str, Any]]) -> None:
        if self.folder is not None:
            atomic_write(self._path(fit), json.dumps({"rows": rows, "sha256": self._digest(fit, rows)}))

    def _digest(self, fit: Fit, rows: list[dict[str, Any]]) -> str:
        return hashlib.sha256(json.dumps([self.mark, fit, rows]).encode()).hexdigest()

    def _path(self, fit: Fit) -> Path:
        return self.folder / f"fit-{fit[0]:06d}-{fit[1]:03d}.json"  # type: ignore[operator]


def curve_fingerprint(design: Design, seed: int) -> str:
    """What the fits of a curve depend on: the rows' fingerprint, the sigmas, also the frames' own, and their order."""
    sigmas = [getattr(design.config, f"sigma_{name}") for name in ("energy", "force", "virial")]
    text = json.dumps([fingerprint(design), sigmas, seed, noise_digest(design.train, design.config)])
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    """What a file holds; nothing if it is missing or damaged."""
    try:
        found = json.loads(path.read_text())
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def _order(n: int, seed: int, repeat: int) -> list[int]:
    return list(range(n)) if repeat == 0 else np.random.default_rng([seed, repeat]).permutation(n).tolist()


def _checked(sizes: Sequence[int], repeats: int, n: int) -> list[int]:
    found = sorted({int(size) for size in sizes})
    if not found:
        raise LabkitError("no sizes given; expected numbers of training frames, as in sizes=[50, 100, 200]")
    if found[0] < 1 or found[-1] > n:
        wrong = found[0] if found[0] < 1 else found[-1]
        raise LabkitError(f"size {wrong}: expected 1 to {n}, the number of training frames")
    if repeats < 1:
        raise LabkitError(f"repeats is {repeats}, expected 1 or more")
    return found


def _table(fits: list[Fit], done: Mapping[Fit, list[dict[str, Any]] | None]) -> pd.DataFrame:
    rows = [{"size": size, "repeat": k, **row} for size, k in fits for row in done[size, k] or []]
    return pd.DataFrame(rows)
