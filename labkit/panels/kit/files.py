"""Files made in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def file_bytes(write: Callable[[Path], Any], name: str) -> bytes:
    """The content of the file that `write(path)` writes, in a temporary folder; b"" if it writes none.

    The path ends in `name`.

    >>> file_bytes(lambda path: path.write_text("a,b"), "table.csv")
    b'a,b'
    >>> file_bytes(lambda path: None, "frames.extxyz")
    b''
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes() if path.exists() else b""
