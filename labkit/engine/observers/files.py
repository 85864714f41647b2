"""Files that grow during a run, are cut back when it resumes from a checkpoint, and are never kept open."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from labkit.base import Observer, State
from labkit.engine.observers import stored
from labkit.engine.run import Run
from labkit.errors import LabkitError

TAIL = 1 << 16  # bytes by which a file is known again


class Growing:
    """A file that is only appended to; opened for each write, so that none is lost.

    mutable  bytes at its beginning that later frames change
    """

    def __init__(self, path: str | os.PathLike[str], mutable: int = 0) -> None:
        self.path = Path(path)
        self.length = 0
        self.mutable = mutable

    def begin(self) -> None:
        """Replace any old file by an empty one."""
        self._write("wb", [])
        self.length = 0

    def append(self, data: bytes, patches: tuple[tuple[int, bytes], ...] = ()) -> None:
        """Write `data` at the end and then overwrite in place with the `patches`, (offset, bytes)."""
        self._write("r+b", [(self.length, data), *patches])
        self.length += len(data)

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file for reading."""
        try:
            with open(self.path, "rb") as file:
                yield file
        except OSError as error:  # of HDF5, too, for a file that is damaged
            raise LabkitError(
                f"{self.path}: cannot be read ({error.strerror or error}); restore it, or start again with resume=False"
            ) from error

    def safe(self) -> int:
        """Wait until all is on the disk, and return the length."""
        self._write("r+b", [], sync=True)
        return self.length

    def tail(self, length: int) -> str:
        """sha256 of the last bytes before `length`, which later frames leave as they are."""
        begin = max(self.mutable, length - TAIL)
        try:
            with open(self.path, "rb") as file:
                file.seek(begin)
                return hashlib.sha256(file.read(max(0, length - begin))).hexdigest()
        except OSError:
            return ""  # what is wrong, `cut` says

    def check(self, length: int, tail: str | None) -> None:
        """Raise LabkitError unless the file still has `length` bytes that end as they did: others are not cut."""
        try:
            found = self.path.stat().st_size
        except OSError:
            found = -1
        if found < length:
            state = "is missing" if found < 0 else f"holds {found} bytes"
            raise LabkitError(
                f"{self.path}: {state}, the checkpoint was made with {length} bytes of it; restore the file, or "
                "start again with resume=False"
            )
        if tail not in (None, self.tail(length)):
            raise self.foreign()

    def foreign(self) -> LabkitError:
        """The error for a file that another run has written, or another program has changed."""
        return LabkitError(
            f"{self.path}: is not the file of this run: it holds something else than when the checkpoint was made; "
            "restore the file, move it away, or start again with resume=False"
        )

    def cut(self, length: int) -> None:
        """Go back to `length` bytes."""
        self._write("r+b", [], cut=length)
        self.length = length

    def _write(self, mode: str, pieces: list[tuple[int, bytes]], *, sync: bool = False, cut: int | None = None) -> None:
        try:
            with open(self.path, mode) as file:
                for offset, data in pieces:
                    file.seek(offset)
                    file.write(data)
                if cut is not None:
                    file.truncate(cut)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            if pieces:
                with suppress(OSError):  # without what was written of the last frame
                    os.truncate(self.path, self.length)
            raise LabkitError(
                f"{self.path}: cannot be written ({error.strerror or error}); choose a folder that exists, is "
                "writable and has free space"
            ) from error


class FileObserver(Observer):
    """Base class of observers that write one or more growing files, from the start of a run to its end.

    A new run empties the files; one that continues where this observer's last one ended (the same object, a later
    step) adds to them; one that resumes from a checkpoint cuts them to the length they had then.
    """

    def __init__(self, every: int = 100) -> None:
        self.every = every
        self.run: Run | None = None
        self.files: list[Growing] = []
        self._step: int | None = None

    def prepare(self, run: Run) -> list[Growing]:
        """The files for this run; a subclass chooses them, and checks that it can write the run."""
        raise NotImplementedError

    def header(self) -> None:
        """Write the header, before the first frame."""

    def write(self, state: State, evaluation: Any) -> None:
        """Write this observer's results for a state."""
        raise NotImplementedError

    def update_header(self) -> None:
        """Correct headers after the files were cut."""

    def start(self, run: Run) -> None:
        continues = self._step is not None and run.state.loop_step >= self._step and bool(self.files)
        self.run, files = run, self.prepare(run)
        if continues and [f.path for f in files] == [f.path for f in self.files]:
            return
        self.files, self._step = files, None
        for file in files:
            file.begin()
        self.header()

    def __call__(self, state: State, evaluation: Any) -> None:
        if self.run is None:
            raise LabkitError(f"{type(self).__name__}: was called outside of a run; give it to simulate(observers=...)")
        self.write(state, evaluation)
        self._step = state.loop_step

    def position(self) -> dict[str, Any]:
        lengths = [file.safe() for file in self.files]
        tails = [file.tail(length) for file, length in zip(self.files, lengths, strict=True)]
        return {"bytes": lengths, "tails": tails, "step": self._step}

    def rewind(self, position: dict[str, Any], run: Run) -> None:
        self.run, self.files, self._step = run, self.prepare(run), stored.step_of(position)
        if len(self.files) != len(position["bytes"]):
            raise LabkitError(
                f"{type(self).__name__}: has {len(self.files)} files, the checkpoint was made with "
                f"{len(position['bytes'])}; give it the same path, or start again with resume=False"
            )
        tails = position.get("tails", [None] * len(self.files))
        for file, length, tail in zip(self.files, position["bytes"], tails, strict=True):
            file.check(length, tail)
        for file, length in zip(self.files, position["bytes"], strict=True):
            file.cut(length)
        self.update_header()
