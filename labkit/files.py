"""Files that are whole or absent: written beside their place, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError

_UMASK = os.umask(0)  # read once: it belongs to the process, and jobs run in threads
os.umask(_UMASK)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it is renamed to `path`, on failure removed.

    Raises LabkitError where the folder is missing, read-only, or the disk is full; the old file then stays.

    >>> with atomic_path("/tmp/labkit-doctest.txt") as p:
    ...     _ = p.write_text("whole")
    >>> Path("/tmp/labkit-doctest.txt").read_text()
    'whole'
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent or ".", prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise _explain(path, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_UMASK)  # mkstemp makes files private; a saved model is an ordinary file
        os.replace(temporary, path)
    except OSError as error:
        raise _explain(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def atomic_tensors(path: str | os.PathLike[str], tensors: dict[str, Any], header: dict[str, str] | None = None) -> None:
    """Write tensors and a header as safetensors, whole or not at all."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with atomic_path(path) as temporary:
        try:
            save_file({k: t.detach().cpu().contiguous() for k, t in tensors.items()}, temporary, header)
        except SafetensorError as error:  # what the disk says comes as one, too
            raise OSError(str(error)) from error


def atomic_write(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write `content` to `path` so that the file is either the old one or the whole new one."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def _explain(path: Path, error: OSError) -> LabkitError:
    return LabkitError(
        f"{path}: could not be written ({error.strerror or error}); nothing was changed. "
        "Choose a folder that exists, is writable and has free space."
    )
