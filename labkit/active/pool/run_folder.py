"""The folder of a run: what it was asked to do, and the plan and the result of each round."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labkit.active.pool.round import Round, RoundPlan
from labkit.errors import LabkitError
from labkit.files import atomic_write, whole_content
from labkit.oracles import LabelStore

#: parts of the settings, and what to say if one differs
WHAT = {"pool": "of another pool", "oracle": "labelled by another oracle", "model": "of another model"}


class RunFolder:
    """The rounds of a run on disk, each file complete or absent; None as folder keeps nothing.

    Raises LabkitError if the folder holds a run with other settings, naming the one that differs, or other files.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, settings: Mapping[str, Any], mark: int) -> None:
        self.path = None if folder is None else Path(folder)
        self.settings, self.mark = json.loads(json.dumps(settings)), mark
        if self.path is None:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabkitError(f"{self.path}: the folder of the run cannot be made ({error.strerror})") from error
        file = self.path / "run.json"
        if file.is_file():
            with whole_content(file, "choose another folder"):
                written = json.loads(file.read_text())
                self.mark = int(written["calculations before"])
                self._check(written["settings"])
            return
        foreign = [p.name for p in self.path.iterdir() if not p.name.startswith((".", "labels.sqlite"))]
        if foreign:
            raise LabkitError(
                f"{self.path}: is not empty (it has {sorted(foreign)[0]}) and holds no run; choose another one"
            )
        atomic_write(file, json.dumps({"settings": self.settings, "calculations before": mark}, indent=1))

    def _check(self, written: Mapping[str, Any]) -> None:
        for key in self.settings.keys() | written.keys():
            old, new = written.get(key), self.settings.get(key)
            if old != new:
                raise LabkitError(
                    f"{self.path}: holds a run {WHAT.get(key, 'with other settings')}: {key} was {_short(old)}, now it "
                    f"is {_short(new)}; choose another folder, or go on with the old one"
                )

    def plan(self, number: int) -> RoundPlan | None:
        """The plan of a round, if it was made."""
        plain = self._read(f"plan-{number:03d}.json")
        return None if plain is None else RoundPlan.from_dict(plain)

    def result(self, plan: RoundPlan) -> Round | None:
        """The result of a round, if it was reached."""
        plain = self._read(f"round-{plan.number:03d}.json")
        return None if plain is None else Round.from_dict(plan, plain)

    def write_plan(self, plan: RoundPlan) -> None:
        self._write(f"plan-{plan.number:03d}.json", plan.to_dict())

    def write_result(self, found: Round) -> None:
        self._write(f"round-{found.plan.number:03d}.json", found.to_dict())

    def rounds(self) -> list[Round]:
        """All rounds that are complete, in order."""
        found: list[Round] = []
        while (plan := self.plan(len(found))) is not None and (one := self.result(plan)) is not None:
            found.append(one)
        return found

    def _read(self, name: str) -> Any:
        if self.path is None or not (self.path / name).is_file():
            return None
        with whole_content(self.path / name, "delete it, and the run goes on from the round before"):
            return json.loads((self.path / name).read_text())

    def _write(self, name: str, plain: Mapping[str, Any]) -> None:
        if self.path is not None:
            atomic_write(self.path / name, json.dumps(plain))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def store_of(store: LabelStore | str | os.PathLike[str] | None, folder: str | os.PathLike[str] | None) -> LabelStore:
    """The store of labels of a run: as given, or in its folder, or in memory."""
    if isinstance(store, LabelStore):
        return store
    if store is not None:
        return LabelStore(store)
    if folder is None:
        return LabelStore(":memory:")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabkitError(f"{folder}: the folder of the run cannot be made ({error.strerror})") from error
    return LabelStore(Path(folder) / "labels.sqlite")
