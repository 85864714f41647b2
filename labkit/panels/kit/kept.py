"""What a panel has last shown, in the session's folder: found again by the same cell in another kernel."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ase import Atoms

from labkit.config import config
from labkit.datasets import Dataset
from labkit.engine.description import describe
from labkit.errors import LabkitError
from labkit.files import ODD_CONTENT, atomic_write, session_folder

FORMAT = "labkit.panel.1"
MOST = 200  # panels that are kept; the oldest are removed


@dataclass(frozen=True)
class KeptPanel:
    """Settings, picture, table and note of a panel, at `when` seconds since 1970.

    values   of the parameters, by name
    by_hand  whether the run was started in the panel, not by the code of the notebook
    """

    values: Mapping[str, Any]
    picture: bytes
    table: str
    note: str
    by_hand: bool = False
    when: float = field(default_factory=time.time)

    @property
    def date(self) -> str:
        return time.strftime("%d %b, %H:%M", time.localtime(self.when)).lstrip("0")

    def to_json(self) -> str:
        plain = {**vars(self), "values": dict(self.values), "picture": base64.b64encode(self.picture).decode()}
        return json.dumps({"format": FORMAT, "sha256": _digest(plain), **plain})

    @classmethod
    def from_json(cls, text: str) -> KeptPanel:
        plain = json.loads(text)
        if plain.pop("format") != FORMAT or plain.pop("sha256") != _digest(plain):
            raise LabkitError("it is damaged, or of another version of labkit")
        return cls(**{**plain, "picture": base64.b64decode(plain["picture"])})


class KeptPanels:
    """A folder with a file for each panel, which is named by what the panel is: see `name_of`.

    Files that `write_results` makes stand beside it, under the name of the panel with their own ending.
    """

    def __init__(self, folder: Path | None = None) -> None:
        # hidden: neither exported nor imported, for a table is HTML that the page shows as it is
        self.folder = folder or config().session / ".panels"

    def read(self, name: str) -> KeptPanel | None:
        """What was kept, or None if there is nothing that can be shown."""
        try:
            return KeptPanel.from_json((self.folder / f"{name}.json").read_text())
        except (*ODD_CONTENT, OSError, LabkitError):
            return None

    def write(self, name: str, kept: KeptPanel, write_results: Callable[[Path], Any]) -> None:
        """Keep a panel and, by `write_results(path)`, its results; raises LabkitError if the folder cannot be used."""
        session_folder(self.folder, "panels")
        self.results(name).unlink(missing_ok=True)  # never results of one run beside the picture of another
        atomic_write(self.folder / f"{name}.json", kept.to_json())
        write_results(self.results(name))
        for old in sorted(self.folder.glob("*.json"), key=os.path.getmtime)[:-MOST]:
            self.results(old.stem).unlink(missing_ok=True)
            old.unlink(missing_ok=True)

    def recall(self, name: str, read: Callable[[Path], Any]) -> Any:
        """The results of a panel, by `read(path)`; None if they are absent or cannot be used."""
        path = self.results(name)
        try:
            return read(path) if path.is_file() else None
        except (*ODD_CONTENT, OSError, LabkitError):
            return None

    def results(self, name: str) -> Path:
        """The path of a panel's results, which may be absent."""
        return self.folder / f"{name}.safetensors"


def name_of(cell: str, kind: type, given: Any, values: Mapping[str, Any]) -> str:
    """A name for a panel: its cell, its class, what it was given and its first settings, by their content."""
    plain = [cell, kind.__qualname__, _described(given), dict(values)]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:32]


def _described(value: Any) -> Any:
    if isinstance(value, Dataset):
        return value.hash
    if isinstance(value, Atoms):
        return describe([value.numbers, value.positions, value.cell.array, value.pbc])
    if isinstance(value, Mapping):
        return {str(key): _described(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_described(item) for item in value]
    return describe(value)


def _digest(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
