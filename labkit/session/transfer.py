"""Export and import of the session's folder: config().session."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from labkit.config import config
from labkit.errors import LabkitError
from labkit.exercises import record
from labkit.files import atomic_path, atomic_write
from labkit.leftovers import locked_folder, remove_folders, remove_leftovers
from labkit.session.archive import pack, unpack

ASIDE = "aside"  # folder in the session's, for files that an import replaced
RUNS = "runs"
IMPORT = ".import-"


@dataclass
class ImportedSession:
    """What happened to the files of an imported session, by their names in it."""

    added: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    replaced: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        lines = [f"added {len(self.added)} files; {len(self.there)} more existed already"]
        lines += [f"{name}: merged with what was here" for name in self.merged]
        lines += [f"{name}: replaced; what was here is kept as {path}" for name, path in self.replaced.items()]
        return "\n".join(lines + self.notes)


def export_session(path: str | os.PathLike[str], *, overwrite: bool = False) -> list[str]:
    """Write the session's folder to a zip file, completely or not at all, and return the names in it.

    Raises LabkitError if there is nothing to export, or the file exists and is not to be overwritten.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise LabkitError(f"{path}: already exists; choose another name, or replace it with --overwrite")
    clean(config().session)
    found = [(name, file) for name, file in session_files() if file.resolve() != path.resolve()]
    if not found:
        raise LabkitError(f"{config().session}: there is nothing to export yet")
    with atomic_path(path) as temporary:
        return pack(temporary, found)


def session_files() -> Iterator[tuple[str, Path]]:
    """All files of the session with their names, except hidden ones (locks, files being written) and links."""
    folder = config().session
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(root, name)
            if not name.startswith(".") and not path.is_symlink():
                yield path.relative_to(folder).as_posix(), path


def import_session(path: str | os.PathLike[str]) -> ImportedSession:
    """Add a zip file's session to this one, once all of it has been checked.

    Exercises done in either are done. A file that differs is replaced, and the old one is kept under aside/.
    Raises LabkitError for a file that is not a session, is damaged, too large or unsafe; then nothing has changed.
    """
    folder = config().session
    try:
        folder.mkdir(parents=True, exist_ok=True)
        clean(folder)
        with locked_folder(folder, IMPORT) as staging:
            names = unpack(Path(path), staging)
            _check_places(Path(path), names)
            return _take(names, staging, folder)
    except OSError as error:
        raise LabkitError(
            f"{folder}: could not import {path} ({error.strerror or error}); each file is still intact. "
            "Make room, or set LABKIT_SESSION to another folder, and import again."
        ) from error


def clean(folder: Path) -> None:
    """Remove what imports that were killed left in the session's folder."""
    remove_folders(folder, IMPORT)
    for own in (folder, folder / RUNS):
        remove_leftovers(own)


def _check_places(path: Path, names: list[str]) -> None:
    """Raise LabkitError for a file where the session has a folder, or the reverse, also where case does not count."""
    answers = record.path().name
    for name in names:
        first, *rest = (part.casefold() for part in PurePosixPath(name).parts)
        if (first == answers and (rest or name != answers)) or (first in (RUNS, ASIDE) and not rest):
            kind = "a file" if first == answers else "a folder"
            raise LabkitError(
                f"{path}: it holds {name!r}, but {first} is {kind} of a session; nothing was imported. Expected a file "
                "made by labkit session export"
            )


def _take(names: list[str], staging: Path, folder: Path) -> ImportedSession:
    """Move checked files into place; no existing file is ever lost."""
    for name in names:
        above = [folder / parent for parent in PurePosixPath(name).parents]
        blocking = [p for p in above if p.exists() and not p.is_dir()] + [folder / name] * (folder / name).is_dir()
        if blocking:
            raise LabkitError(f"{blocking[0]}: is in the way of {name}; move it away and import again")
    done = ImportedSession()
    answers = record.path().name
    if answers in names:  # first: if the two cannot be merged, nothing else is touched
        _merge(staging / answers, record.path(), done)
    aside = _next_aside(folder / ASIDE)
    for name in names:
        new, target, kept = staging / name, folder / name, aside / name
        if name == answers:
            continue
        if not target.exists():
            done.added.append(name)
        elif target.read_bytes() == new.read_bytes():
            done.there.append(name)
            continue
        else:
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(target, kept)  # copied, not moved, so that it always exists
            done.replaced[name] = kept
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(new, target)
    return done


def _next_aside(folder: Path) -> Path:
    """A new folder of this import, after those of earlier ones: clocks are set back."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%d-%H%M%S-%f")
    earlier = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return folder / (stamp if not earlier or stamp > earlier[-1] else f"{earlier[-1]}-later")


def _merge(new: Path, target: Path, done: ImportedSession) -> None:
    try:
        theirs = record.parse(new.read_text(encoding="utf-8"), f"{new.name} of the import")
    except UnicodeDecodeError as error:
        raise LabkitError(f"{new.name} of the import: is damaged ({error}); nothing was imported") from error
    with record.locked(target):
        fresh = not target.exists()
        ours, note = record.rescued(target)
        atomic_write(target, record.text(record.merge(ours, theirs)))
    (done.added if fresh else done.merged).append(new.name)
    done.notes += [note] if note else []
