"""The files that a run writes into its log_dir: one run at a time, and none that another run has written."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import LabkitError

try:
    import fcntl
except ImportError:  # Windows: two runs in one folder are not kept apart
    fcntl = None

LOCK = ".labkit-md.lock"


@dataclass(frozen=True)
class Output:
    """Names of the files of one run: `folder` is its log_dir, `stem` its output without .xtc or .dcd."""

    folder: Path
    stem: str
    suffix: str
    replicas: int

    @classmethod
    def of(cls, log_dir: str, output: str, replicas: int) -> Output:
        """Raise LabkitError for a log_dir that is no folder and cannot be made, or not written."""
        folder, name = Path(log_dir), Path(output).name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabkitError(
                f"log_dir: {folder}: is not a writable folder ({error.strerror}); choose another"
            ) from error
        known = Path(name).suffix in (".xtc", ".dcd")
        return cls(folder, Path(name).stem if known else name, ".xtc" if name.endswith(".xtc") else ".dcd", replicas)

    @property
    def checkpoint(self) -> Path:
        return self.folder / f"{self.stem}.checkpoint"

    @property
    def monitor(self) -> Path:
        return self.folder / "monitor.csv"

    @property
    def trajectory(self) -> Path:
        """With {system} for the number of the replica, if there are several."""
        return self.folder / f"{self.stem}{'-{system}' if self.replicas > 1 else ''}{self.suffix}"

    def earlier(self) -> list[Path]:
        """Files of an earlier run that this one would replace, or stand among; not its checkpoint."""
        mine = re.compile(rf"{re.escape(self.stem)}(-\d+)?\.(dcd|xtc)")
        return sorted(p for p in self.folder.iterdir() if mine.fullmatch(p.name) or p.name == self.monitor.name)

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Raise LabkitError where a run would lose files of another, or resume from nothing."""
        if resume and not self.checkpoint.exists():
            raise LabkitError(
                f"--resume: there is no checkpoint {self.checkpoint}; start without it, or check log_dir and output"
            )
        others = sorted(p.name for p in self.folder.glob("*.checkpoint") if p != self.checkpoint)
        if others and not resume:
            raise LabkitError(
                f"{self.folder}: holds another run ({others[0]}), whose {self.monitor.name} this one would overwrite; "
                "choose another log_dir"
            )
        if resume or overwrite:
            return
        if self.checkpoint.exists():
            raise LabkitError(
                f"{self.checkpoint}: an earlier run is here; resume it (--resume), overwrite it (--overwrite), or "
                "choose another log_dir or output"
            )
        found = self.earlier()
        if found:
            raise LabkitError(
                f"{found[0]}: is already there, without a checkpoint to resume from; keep it by choosing another "
                "log_dir, or overwrite it (--overwrite)"
            )

    def clear(self) -> None:
        """Remove the files of an earlier run, the checkpoint first: what is left without one is not resumed."""
        for path in (self.checkpoint, *self.earlier()):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise LabkitError(
                    f"{path}: cannot be overwritten ({error.strerror}); choose another log_dir"
                ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder; raises LabkitError, naming the other's process, where one is in it.

        The lock ends with the process, however it ends, and its file with the run.
        """
        path = self.folder / LOCK
        file = _hold(path)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(file)


def _hold(path: Path) -> int:
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise LabkitError(
                f"log_dir: {path.parent}: cannot be written ({error.strerror}); choose another"
            ) from error
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(file, 200).decode(errors="replace").strip() or "a process"
            os.close(file)
            raise LabkitError(
                f"log_dir: {path.parent}: another run writes here ({owner}); wait for its end, or choose another "
                "log_dir"
            ) from error
        except OSError:
            pass  # some network file systems have no locks
        if _same(file, path):
            break
        os.close(file)  # another run has just ended, and removed the file
    os.ftruncate(file, 0)
    os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    return file


def _same(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
