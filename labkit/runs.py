"""Every fit of a session, one row each: settings, errors, evidence, time; kept on disk, for the tray and for export."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MethodType
from typing import Any, Protocol
from weakref import WeakMethod

import pandas as pd

from labkit.base.settings import ModelSettings
from labkit.config import config
from labkit.deleted_runs import DeletedRuns
from labkit.errors import LabkitError
from labkit.files import ODD_CONTENT, atomic_write, session_folder

#: Settings that are restored to their class: kind -> module:class.
KINDS = {
    "gap": "labkit.gap.config:GapConfig",
    "neural": "labkit.neural.config:NeuralConfig",
    "tensor": "labkit.polarizability.settings:Settings",
}


@dataclass(frozen=True, eq=False)
class FitRecord:
    """One fit.

    settings  of a model of any kind, with the noise it was fitted with
    errors    rmse and unit, by set ('train', 'valid') and quantity, as from Design.errors
    evidence  log marginal likelihood, if the model has one
    seconds   duration of the fit
    frames    training frames
    curves    to be compared with those of other runs: name with units -> (x, y), as in
              {"O-H stretch [Å] -> energy [eV]": (lengths, energies)}
    key       names its files; set by `Runs.add`
    """

    name: str
    settings: ModelSettings
    errors: pd.DataFrame
    evidence: float | None
    seconds: float
    frames: int
    curves: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    key: str = ""

    def to_json(self) -> str:
        rows = self.errors.reset_index().to_dict("records")
        curves = {name: [list(map(float, x)), list(map(float, y))] for name, (x, y) in self.curves.items()}
        settings = {"kind": self.settings.kind, "values": self.settings.to_dict()}
        plain = {"settings": settings, "errors": rows, "curves": curves}
        plain |= {name: getattr(self, name) for name in ("name", "evidence", "seconds", "frames")}
        return json.dumps(plain | {"sha256": _digest(plain)})

    @classmethod
    def from_json(cls, text: str, key: str) -> FitRecord:
        """Raises LabkitError for a record that was changed since it was written, or that cannot be shown."""
        plain = json.loads(text)
        whole = plain.pop("sha256", None) in (None, _digest(plain))  # earlier versions wrote none
        check_record(plain)
        plain["errors"] = pd.DataFrame(plain["errors"]).set_index(["set", "quantity"])
        plain["settings"] = _settings(plain["settings"], key)
        found = cls(**plain, key=key)
        if not whole:
            raise LabkitError("its numbers are not those that were written")
        found.settings.row(), found.settings.summary(), found.settings.text()  # which the tray shows
        return found

    @property
    def quantities(self) -> list[tuple[str, str]]:
        """Quantities with errors, and their units: ("energy", "meV/atom")."""
        found = ((quantity, row["unit"]) for (_, quantity), row in self.errors.iterrows())
        return list(dict.fromkeys(found))

    def rmse(self, which: str, quantity: str) -> float | None:
        """Root mean square error of the 'train' or 'valid' frames, or None."""
        known = (which, quantity) in self.errors.index
        return float(self.errors.loc[(which, quantity), "rmse"]) if known else None


@dataclass(frozen=True)
class OtherSettings(ModelSettings):
    """Stored settings of a model that labkit does not know."""

    kind: str
    values: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return dict(self.values)


class Saved(Protocol):
    """A model that can be kept with its run."""

    def save(self, path: Path) -> None: ...


class Runs:
    """The runs in a folder, oldest first; several kernels may add runs at the same time.

    >>> import tempfile
    >>> store = Runs(tempfile.mkdtemp())
    >>> len(store.all())
    0
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.deleted = DeletedRuns(self.folder)
        self._known: dict[str, FitRecord | str] = {}
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], Callable[[], None] | None]] = []

    def add(self, run: FitRecord, model: Saved | None = None) -> str:
        """Keep a run, with the model if given, and return its key; raises LabkitError if it cannot be written."""
        if not isinstance(run.settings, ModelSettings):
            raise LabkitError(
                f"run {run.name!r}: its settings are a {type(run.settings).__name__}; expected a frozen dataclass that "
                "inherits from labkit.base.settings.ModelSettings and has a `kind`"
            )
        session_folder(self.folder, "runs")
        key = f"{self._next():017d}-{secrets.token_hex(2)}"
        path = self.folder / f"{key}.json"
        atomic_write(path, run.to_json())
        try:
            if model is not None:
                model.save(self.model_file(key))  # after the record: a kill leaves no model without one
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._changed()
        return key

    def all(self) -> list[FitRecord]:
        """All runs that can be read; a damaged file is skipped and not touched."""
        return [run for run in self._read_all().values() if isinstance(run, FitRecord)]

    def refused(self) -> dict[str, str]:
        """Files that cannot be read, and why."""
        return {f"{key}.json": run for key, run in self._read_all().items() if isinstance(run, str)}

    def remove(self, key: str) -> None:
        for path in (self.folder / f"{key}.json", self.model_file(key)):
            path.unlink(missing_ok=True)
        self._changed()

    def set_aside(self, keys: Iterable[str]) -> None:
        """Delete runs so that `bring_back` can undo it, until runs are set aside again."""
        self.deleted.add(keys)
        self._changed()

    def bring_back(self) -> list[str]:
        """Undo the last `set_aside`, and return the keys of its runs."""
        found = self.deleted.restore()
        self._changed()
        return found

    def numbers(self) -> dict[str, int]:
        """Number of each run, from 1 in order of time; it stays the same when other runs are set aside."""
        keys = {path.stem for path in self.folder.glob("*.json")} | self.deleted.keys()
        return {key: number for number, key in enumerate(sorted(keys), 1)}

    def table(self) -> pd.DataFrame:
        """One row per run: name, frames, settings, RMSE of both sets, evidence, seconds."""
        return pd.DataFrame([_row(run) for run in self.all()])

    def model_file(self, key: str) -> Path:
        """Path of a run's model, if it was kept."""
        return self.folder / f"{key}.safetensors"

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback()` when a run is added or removed here, in the thread that does it.

        A method is called as long as its object exists: these runs do not keep a panel that was replaced.
        """
        self._callbacks.append(WeakMethod(callback) if isinstance(callback, MethodType) else lambda: callback)

    def _changed(self) -> None:
        for weak in list(self._callbacks):
            callback = weak()
            callback() if callback is not None else self._callbacks.remove(weak)

    def _next(self) -> int:
        """The time in µs, or more than that of the latest run: clocks are set back."""
        numbers = (path.stem.partition("-")[0] for path in self.folder.glob("*.json"))
        latest = max((int(number) for number in numbers if re.fullmatch(r"[0-9]{17}", number)), default=0)
        return max(time.time_ns() // 1000, latest + 1)

    def _read_all(self) -> dict[str, FitRecord | str]:
        """The contents of the folder, oldest first; each file is read once."""
        keys = sorted(path.stem for path in self.folder.glob("*.json"))
        with self._lock:
            for key in keys:
                if key not in self._known:
                    self._known[key] = self._read(key)
            return {key: self._known[key] for key in keys}

    def _read(self, key: str) -> FitRecord | str:
        try:
            return FitRecord.from_json((self.folder / f"{key}.json").read_text(), key)
        except (*ODD_CONTENT, OSError) as error:
            return str(error) if isinstance(error, (LabkitError, OSError)) else f"damaged ({error!r})"


def check_record(plain: Mapping[str, Any]) -> None:
    """Raise LabkitError for the content of a file that the tray cannot show."""
    for name, known in {"name": str, "frames": int, "seconds": (int, float)}.items():
        if not isinstance(plain[name], known) or isinstance(plain[name], bool):
            raise LabkitError(f"its {name} is {plain[name]!r:.60}")
    if plain["evidence"] is not None and not _is_number(plain["evidence"]):
        raise LabkitError(f"its evidence is {plain['evidence']!r:.60}")
    for row in plain["errors"]:
        if not (_is_number(row["rmse"]) and all(isinstance(row[x], str) for x in ("set", "quantity", "unit"))):
            raise LabkitError(f"its errors have the row {row!r:.60}")
    if len({(row["set"], row["quantity"]) for row in plain["errors"]}) < len(plain["errors"]):
        raise LabkitError("its errors have one row twice")
    for name, (x, y) in plain["curves"].items():
        if not (len(x) == len(y) and all(map(_is_number, [*x, *y]))):
            raise LabkitError(f"its curve {name!r:.60} has no x and y of equal length")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _digest(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def differences(compared: Mapping[str, FitRecord]) -> pd.DataFrame:
    """The settings in which some runs differ, a row each; a column for each run, under the name given to it here."""
    columns = {name: {"model": run.settings.kind, **run.settings.row()} for name, run in compared.items()}
    table = pd.DataFrame(columns, dtype=object)
    return table[[len(set(map(repr, row))) > 1 for row in table.to_numpy()]]


def _row(run: FitRecord) -> dict[str, Any]:
    row: dict[str, Any] = {"run": run.name, "model": run.settings.kind, "frames": run.frames, **run.settings.row()}
    for (which, quantity), found in run.errors.iterrows():
        row[f"{which} {quantity} RMSE [{found['unit']}]"] = found["rmse"]
    return {**row, "log evidence": run.evidence, "seconds": run.seconds, "key": run.key}


def _settings(stored: Any, where: str) -> ModelSettings:
    """Settings from the content of a file: those of known models are checked again, others are kept as they are."""
    if isinstance(stored, str):  # written by version 0.1: the text of gap_fit
        return _known_kind("gap").parse(stored, where)
    kind, values = stored["kind"], stored["values"]
    if not isinstance(kind, str) or not isinstance(values, dict):
        raise LabkitError("its settings have no kind or values")
    return _known_kind(kind).from_dict(values) if kind in KINDS else OtherSettings(kind, values)


def _known_kind(kind: str) -> Any:
    module, _, name = KINDS[kind].partition(":")
    return getattr(importlib.import_module(module), name)


@cache
def runs() -> Runs:
    """The runs of this session, in config().session/runs."""
    return Runs(config().session / "runs")
