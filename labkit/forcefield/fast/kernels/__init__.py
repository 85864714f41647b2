"""Compiled kernels.

numba keeps what it has compiled in __pycache__ and looks at the file of each function alone, not at those of the
functions that it calls: after an update some kernels would be the old ones. So all of it goes when a file has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path


def _forget_outdated(folder: Path) -> None:
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()
    cache = folder / "__pycache__"
    stamp = cache / "kernels.sha256"
    with contextlib.suppress(OSError):  # of a folder that one may not write to
        if stamp.is_file() and stamp.read_text() == mark:
            return
        cache.mkdir(exist_ok=True)
        for path in [*cache.glob("*.nbi"), *cache.glob("*.nbc")]:
            path.unlink(missing_ok=True)
        stamp.write_text(mark)


_forget_outdated(Path(__file__).parent)
