"""Text files that may be compressed, recognized by their first bytes, not by their name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TextIO

from labkit.errors import LabkitError, suggest
from labkit.files import atomic_path

PIECE = 1 << 12  # bytes that zstandard decompresses at once: it has no limit of its own
TIMES, ALWAYS = 100, 100_000_000  # a compressed file may hold 100 times its size, and 100 MB in any case
MAGIC = {b"\x1f\x8b": "gz", b"\xfd7zXZ\x00": "xz", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zst"}


def existing(path: str | os.PathLike[str]) -> Path:
    """Return `path` if it is a file with content; raise LabkitError otherwise."""
    path = Path(path)
    if path.is_dir():
        raise LabkitError(f"{path}: is a folder; expected a file with frames")
    if not path.exists():
        folder = path.parent
        if not folder.is_dir():
            raise LabkitError(f"{path}: no such file, the folder {folder} does not exist")
        hint = suggest(path.name, [p.name for p in folder.iterdir() if p.is_file()])
        raise LabkitError(f"{path}: no such file in {folder.resolve()}{hint}")
    if not os.access(path, os.R_OK):
        raise LabkitError(f"{path}: you have no permission to read it; change its permissions")
    if path.stat().st_size == 0:
        raise LabkitError(f"{path}: the file is empty (0 bytes), expected at least one frame")
    return path


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a plain, gz, xz, bz2 or zst file as text; damage is a LabkitError."""
    with open(path, "rb") as file:
        start = file.read(6)
        file.seek(0)
        kind = next((name for magic, name in MAGIC.items() if start.startswith(magic)), "")
        try:
            if kind in ("gz", "xz", "bz2"):
                _check_size(file, kind, path)
            with io.TextIOWrapper(_decompressed(file, kind, path), encoding="utf-8") as text:
                yield text
        except UnicodeDecodeError as error:
            raise LabkitError(f"{path}: not a text file (byte {error.start} is not UTF-8)") from error
        except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
            raise LabkitError(
                f"{path}: the compressed file ends early or is damaged ({error}); copy or download it again"
            ) from error


def _decompressed(file: IO[bytes], kind: str, path: Path) -> Any:
    if kind == "gz":
        return gzip.GzipFile(fileobj=file)
    if kind == "xz":
        return lzma.LZMAFile(file)
    if kind == "bz2":
        return bz2.BZ2File(file)
    if kind == "zst":
        try:
            import zstandard
        except ImportError as error:
            raise LabkitError(f"{path}: reading .zst needs zstandard: python -m pip install zstandard") from error
        try:
            return io.BytesIO(_all_of(zstandard.ZstdDecompressor(), file.read(), path))
        except zstandard.ZstdError as error:
            raise EOFError(str(error)) from error
    return file


def _all_of(decompressor: Any, data: bytes, path: Path) -> bytes:
    """Decompress everything at once: zstandard's own streams end silently where a file was cut."""
    parts, size, left = [], 0, memoryview(data)
    while left:
        part = decompressor.decompressobj()
        while left and not part.eof:
            parts.append(part.decompress(left[:PIECE]))
            size += len(parts[-1])
            check_expansion(size, len(data), path)
            left = left[PIECE:]
        if not part.eof:
            raise EOFError("no end of stream")
        left = memoryview(bytes(part.unused_data) + bytes(left)) if part.unused_data else left
    return b"".join(parts)


def _check_size(file: IO[bytes], kind: str, path: Path) -> None:
    """Decompress once to see how much it is: ten times as fast as reading it as frames."""
    source, size, compressed = _decompressed(file, kind, path), 0, path.stat().st_size
    while block := source.read(1 << 20):
        size += len(block)
        check_expansion(size, compressed, path)
    file.seek(0)


def check_expansion(size: int, compressed: int, path: Path) -> None:
    """Raise LabkitError for a file that holds so much more than its own size that it is no data."""
    if size > max(ALWAYS, TIMES * compressed):
        raise LabkitError(
            f"{path}: holds more than {TIMES} times its size of {compressed / 1e6:.1f} MB, as no frames do, and "
            "was not read; if it is in order, decompress it and read the plain file"
        )


@contextmanager
def write_text(path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """Open `path` for writing, compressed if it ends in .gz, .xz or .bz2; it appears complete or not at all."""
    path = Path(path)
    with (
        atomic_path(path) as temporary,
        open(temporary, "wb") as raw,
        _compressed(raw, path.suffix) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as text,
    ):
        yield text


def _compressed(file: IO[bytes], suffix: str) -> Any:
    if suffix == ".gz":  # without name and time, so that equal frames make equal files
        return gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0)
    if suffix == ".xz":
        return lzma.LZMAFile(file, "wb", preset=9)
    return bz2.BZ2File(file, "wb") if suffix == ".bz2" else file
