"""Every fit of a session, one row each: settings, errors, evidence, time; kept on disk, for the tray and for export."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from labkit.config import config
from labkit.errors import LabkitError
from labkit.files import atomic_write
from labkit.gap import GapConfig, GapModel


@dataclass(frozen=True, eq=False)
class Run:
    """One fit.

    settings  with the sigmas it was fitted with
    errors    as of Design.errors
    evidence  log marginal likelihood
    seconds   what the fit took
    frames    training frames
    curves    what can be laid over that of other runs: name with units -> (x, y), as in
              {"O-H stretch [Å] -> energy [eV]": (lengths, energies)}
    key       names its files; given by `Runs.add`
    """

    name: str
    settings: GapConfig
    errors: pd.DataFrame
    evidence: float
    seconds: float
    frames: int
    curves: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    key: str = ""

    def to_json(self) -> str:
        rows = self.errors.reset_index().to_dict("records")
        curves = {name: [list(map(float, x)), list(map(float, y))] for name, (x, y) in self.curves.items()}
        plain = {"settings": self.settings.text(), "errors": rows, "curves": curves}
        plain |= {name: getattr(self, name) for name in ("name", "evidence", "seconds", "frames")}
        return json.dumps(plain)

    @classmethod
    def from_json(cls, text: str, key: str) -> Run:
        plain = json.loads(text)
        plain["errors"] = pd.DataFrame(plain["errors"]).set_index(["set", "quantity"])
        plain["settings"] = GapConfig.parse(plain["settings"], key)
        return cls(**plain, key=key)


class Runs:
    """The runs in a folder, oldest first; what several kernels add at once is all kept.

    >>> import tempfile
    >>> store = Runs(tempfile.mkdtemp())
    >>> len(store.all())
    0
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._known: dict[str, Run | None] = {}
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    def add(self, run: Run, model: GapModel | None = None) -> str:
        """Keep a run, with the model if given, and return its key; raises LabkitError if it cannot be written."""
        key = f"{time.time_ns() // 1000:017d}-{secrets.token_hex(2)}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabkitError(
                f"{self.folder}: runs cannot be kept here ({error.strerror}); set LABKIT_SESSION to another folder"
            ) from error
        if model is not None:
            model.save(self.model_file(key))
        atomic_write(self.folder / f"{key}.json", run.to_json())
        for callback in list(self._callbacks):
            callback()
        return key

    def all(self) -> list[Run]:
        """All runs that can be read; a damaged file is left where it is and left out."""
        keys = sorted(path.stem for path in self.folder.glob("*.json"))
        with self._lock:
            for key in keys:
                if key not in self._known:
                    self._known[key] = self._read(key)
            return [run for key in keys if (run := self._known[key]) is not None]

    def remove(self, key: str) -> None:
        for path in (self.folder / f"{key}.json", self.model_file(key)):
            path.unlink(missing_ok=True)
        for callback in list(self._callbacks):
            callback()

    def table(self) -> pd.DataFrame:
        """One row a run: name, frames, settings, RMSE of both sets, evidence, seconds."""
        return pd.DataFrame([_row(run) for run in self.all()])

    def model_file(self, key: str) -> Path:
        """Where the model of a run is, if it was kept."""
        return self.folder / f"{key}.safetensors"

    def on_change(self, callback: Callable[[], None]) -> None:
        """Have `callback()` called, in whatever thread it happens, when a run is added or removed here."""
        self._callbacks.append(callback)

    def _read(self, key: str) -> Run | None:
        try:
            return Run.from_json((self.folder / f"{key}.json").read_text(), key)
        except (ValueError, KeyError, TypeError, OSError):  # LabkitError is a ValueError
            return None


def _row(run: Run) -> dict[str, Any]:
    config = run.settings
    row: dict[str, Any] = {"run": run.name, "frames": run.frames}
    for term in config.descriptors:
        for name in ("cutoff", "n_max", "l_max", "atom_sigma", "zeta", "n_sparse", "delta"):
            if hasattr(term, name):
                row[name if term.name == "soap" else f"{term.name} {name}"] = getattr(term, name)
    row |= {name: getattr(config, name) for name in ("sigma_energy", "sigma_force", "sigma_virial")}
    for (which, quantity), found in run.errors.iterrows():
        row[f"{which} {quantity} RMSE [{found['unit']}]"] = found["rmse"]
    return {**row, "log evidence": run.evidence, "seconds": run.seconds, "key": run.key}


@cache
def runs() -> Runs:
    """The runs of this session, in config().session/runs."""
    return Runs(config().session / "runs")
