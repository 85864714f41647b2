"""The zip file of a session: its files, and a list of them with checksums. Anything that does not match is refused."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from labkit import __version__
from labkit.errors import LabkitError

LIST, FOLDER, FORMAT = "labkit-session.json", "session/", 1
MOST_BYTES, MOST_FILES = 2_000_000_000, 20_000
BLOCK = 1 << 20


def pack(target: Path | BinaryIO, files: Iterable[tuple[str, Path]]) -> list[str]:
    """Write files under their names, each read once, so that checksums and content agree; return the names."""
    found: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, file in files:
            try:
                content = file.read_bytes()
            except FileNotFoundError:  # another kernel has removed it since the folder was listed
                continue
            packed.writestr(FOLDER + name, content)
            found[name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        made = datetime.now(UTC).isoformat(timespec="seconds")
        head = {"format": FORMAT, "labkit": __version__, "made": made, "files": found}
        packed.writestr(LIST, json.dumps(head, indent=1, ensure_ascii=False))
    return list(found)


def unpack(path: Path, folder: Path) -> list[str]:
    """Unpack to `folder` and return the names; raises LabkitError for anything that `pack` would not write."""
    try:
        with zipfile.ZipFile(path) as packed:
            files = _listed(path, packed)
            entries = _entries(path, packed, files)
            for name, known in files.items():
                _unpack_one(path, packed, entries[name], known, folder / name)
    except FileNotFoundError as error:
        if error.filename != str(path):
            raise
        raise LabkitError(f"{path}: no such file") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise LabkitError(f"{path}: is not a zip file, or a damaged one ({error}); nothing was imported") from error
    return list(files)


def _listed(path: Path, packed: zipfile.ZipFile) -> dict[str, dict[str, Any]]:
    """The list of files, with names and total size checked to be safe."""
    if LIST not in packed.namelist():
        raise LabkitError(
            f"{path}: is not a labkit session (it has no {LIST}); expected a file made by labkit session export"
        )
    if packed.getinfo(LIST).file_size > 300 * MOST_FILES:
        raise LabkitError(f"{path}: its {LIST} is too large")
    try:
        head = json.loads(packed.read(LIST))
        if head["format"] > FORMAT:
            raise LabkitError(f"{path}: was made by labkit {head['labkit']}, with a newer format; update this labkit")
        files = dict(head["files"])
        total = sum(_count(known["size"]) for known in files.values())
        if not all(isinstance(known["sha256"], str) for known in files.values()):
            raise TypeError("a checksum is not text")
    except LabkitError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LabkitError(f"{path}: its {LIST} is damaged ({type(error).__name__}: {error})") from error
    if total > MOST_BYTES or len(files) > MOST_FILES:
        raise LabkitError(f"{path}: {len(files)} files of {total / 1e9:.1f} GB; at most {MOST_FILES} of "
                          f"{MOST_BYTES / 1e9:.0f} GB are imported")  # fmt: skip
    for name in files:
        _safe(path, name)
    folders = {str(parent).casefold() for name in files for parent in PurePosixPath(name).parents}
    folded = [name.casefold() for name in files]
    if len(set(folded)) < len(folded) or folders.intersection(folded):
        raise LabkitError(f"{path}: two of its files have the same name; nothing was imported")
    return files


def _entries(path: Path, packed: zipfile.ZipFile, files: dict[str, Any]) -> dict[str, zipfile.ZipInfo]:
    """The zip's entries by name: those of the list, each once, and no links."""
    infos = packed.infolist()
    expected = sorted([LIST, *(FOLDER + name for name in files)])
    if sorted(info.filename for info in infos) != expected:
        odd = {info.filename for info in infos}.symmetric_difference(expected) or {"a duplicate entry"}
        raise LabkitError(f"{path}: its content does not match its {LIST}: {min(odd)!r}; nothing was imported")
    for info in infos:
        if stat.S_ISLNK(info.external_attr >> 16):
            raise LabkitError(f"{path}: {info.filename!r} is a link, which is not imported")
    return {info.filename.removeprefix(FOLDER): info for info in infos}


def _unpack_one(path: Path, packed: zipfile.ZipFile, info: zipfile.ZipInfo, known: dict[str, Any], to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with packed.open(info) as source, to.open("xb") as file:
        while (block := source.read(BLOCK)) and size <= known["size"]:  # a zip bomb ends here
            digest.update(block)
            size += len(block)
            file.write(block)
    if size != known["size"] or digest.hexdigest() != known["sha256"]:
        raise LabkitError(
            f"{path}: {info.filename!r} does not have the size and checksum of its list; nothing was imported"
        )


def _safe(path: Path, name: str) -> None:
    parts = name.split("/")
    bad = any(part.startswith(".") or part in ("", "..") or len(part) > 200 for part in parts)
    if bad or "\\" in name or ":" in name or not name.isprintable():
        raise LabkitError(f"{path}: the name {name!r} is hidden or leads out of the folder; nothing was imported")


def _count(size: Any) -> int:
    if type(size) is not int or size < 0:
        raise TypeError(f"{size!r} is not a size")
    return size
