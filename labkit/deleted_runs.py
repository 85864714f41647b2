"""Deleted runs: those deleted last can be brought back, and no number is used twice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from labkit.errors import LabkitError

SUFFIXES = (".json", ".safetensors")


class DeletedRuns:
    """The hidden folder .deleted beside the runs of a folder.

    It holds the files of the runs deleted last, and an empty KEY.gone for each one deleted before.
    """

    def __init__(self, folder: Path) -> None:
        self.runs, self.folder = folder, folder / ".deleted"

    def keys(self) -> set[str]:
        """Keys of all deleted runs."""
        return {path.stem for suffix in (".json", ".gone") for path in self.folder.glob(f"*{suffix}")}

    def last(self) -> list[str]:
        """Keys of the runs that `restore` brings back."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def add(self, keys: Iterable[str]) -> None:
        """Delete runs; those deleted before are gone for good. Raises LabkitError if the folder cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for key in self.last():
                (self.folder / f"{key}.gone").touch()
                for suffix in SUFFIXES:
                    (self.folder / f"{key}{suffix}").unlink(missing_ok=True)
            for key in keys:
                _move(key, SUFFIXES, self.runs, self.folder)
        except OSError as error:
            raise LabkitError(f"{self.folder}: runs could not be deleted ({error.strerror})") from error

    def restore(self) -> list[str]:
        """Bring the runs deleted last back, and return their keys."""
        found = self.last()
        try:
            for key in found:
                _move(key, SUFFIXES[::-1], self.folder, self.runs)  # the record last: a run has its model
        except OSError as error:
            raise LabkitError(f"{self.runs}: runs could not be brought back ({error.strerror})") from error
        return found


def _move(key: str, suffixes: Iterable[str], source: Path, target: Path) -> None:
    for suffix in suffixes:
        path = source / f"{key}{suffix}"
        if path.exists():
            path.replace(target / path.name)
