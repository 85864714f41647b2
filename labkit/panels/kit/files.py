"""Files made in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def file_bytes(write: Callable[[Path], Any], name: str) -> bytes:
    """The content of the file that `write(path)` makes, in a temporary folder; `name` gives the path its ending.

    >>> file_bytes(lambda path: path.write_text("a,b"), "table.csv")
    b'a,b'
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()
