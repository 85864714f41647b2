"""The folder of a training and its files; results of another training are not mixed in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from labkit.errors import LabkitError
from labkit.files import atomic_write, lock


@dataclass
class TrainingFolder:
    """Names of the files of one training; `lines` holds the log until the training begins."""

    path: Path
    lines: list[str] = field(default_factory=list)
    started: bool = False

    @classmethod
    def made(cls, path: Path) -> TrainingFolder:
        """The folder, created if needed. Raises LabkitError if it cannot be created."""
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabkitError(f"{path}: is not a writable folder ({error.strerror}); give another, --out") from error
        return cls(path)

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def checkpoint(self) -> Path:
        return self.path / "training.checkpoint"

    @property
    def splits(self) -> Path:
        return self.path / "splits.npz"

    @property
    def errors(self) -> Path:
        return self.path / "errors.csv"

    @property
    def log(self) -> Path:
        return self.path / "training.log"

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Raise LabkitError if the training would replace results of another one, or if there is nothing to resume."""
        if resume and not self.checkpoint.exists():
            raise LabkitError(
                f"--resume: there is no checkpoint {self.checkpoint}; start without it, or give the folder, --out"
            )
        found = [path for path in (self.checkpoint, self.model, self.history, self.errors) if path.exists()]
        if found and not resume and not overwrite:
            advice = "resume it (--resume), overwrite it" if found[0] == self.checkpoint else "overwrite it"
            raise LabkitError(f"{found[0]}: an earlier training is here; {advice} (--overwrite), or give another --out")

    def begin(self, *, resume: bool) -> None:
        """Remove the files of an earlier training, unless it is resumed, and write the log so far.

        The checkpoint is removed first: files without one cannot be resumed by mistake.
        """
        files = () if resume else (self.checkpoint, self.model, self.history, self.errors, self.splits, self.log)
        for path in files:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise LabkitError(f"{path}: cannot be overwritten ({error.strerror}); give another --out") from error
        self._append(self.lines)
        self.started = True

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other trainings out of the folder; raises LabkitError if one is running there."""
        try:
            file = lock(self.checkpoint, wait=False)
        except OSError as error:
            raise LabkitError(f"{self.path}: cannot be written ({error.strerror}); give another, --out") from error
        with file:
            yield

    def say(self, line: str) -> None:
        """Add a line to the log."""
        if self.started:
            self._append([line])
        else:
            self.lines.append(line)

    def _append(self, lines: list[str]) -> None:
        with self.log.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)


def table(rows: Sequence[dict[str, object]]) -> str:
    """Rows as CSV; the columns are those of the first row, then any new ones of later rows."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(names), *(",".join(_cell(row.get(name)) for name in names) for row in rows)]
    return "\n".join(lines) + "\n"


def write_table(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """Write rows as CSV, completely or not at all; an unknown number is an empty cell."""
    atomic_write(path, table(rows))


def _cell(value: object) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.8g}" if isinstance(value, float) else str(value)
