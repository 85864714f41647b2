"""Compiled kernels.

numba caches compiled code in __pycache__ and checks only the file of each function, not those of the functions that
it calls: after an update some kernels would be outdated. So the whole cache is deleted when a file has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path


def _clear_outdated(folder: Path) -> None:
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()
    cache = folder / "__pycache__"
    stamp = cache / "kernels.sha256"
    with contextlib.suppress(OSError):  # the folder may be read-only
        if stamp.is_file() and stamp.read_text() == mark:
            return
        cache.mkdir(exist_ok=True)
        for path in [*cache.glob("*.nbi"), *cache.glob("*.nbc")]:
            path.unlink(missing_ok=True)
        stamp.write_text(mark)


_clear_outdated(Path(__file__).parent)
