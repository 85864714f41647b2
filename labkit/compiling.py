"""njit of numba with a cache that is right after every update, and with several processes at once.

numba's own cache checks the file of a function, but not those of the functions that it calls. And it writes an index,
then the compiled code: of two processes that save at the same moment one may leave its code under the other's
signature, for which arguments of other types are then passed to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
import torch
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.np.ufunc import parallel as numba_threads

from labkit.files import lock

ROOT = Path(__file__).parent
#: files of compiled functions, and those from which they take constants
SOURCES = ("**/kernels/*.py", "**/*kernels.py", "base/philox.py")


def njit(**options: Any) -> Callable[[Callable], Any]:
    """As numba.njit; with cache=True compiled code is kept until any file of SOURCES changes.

    >>> @njit()
    ... def double(x):
    ...     return 2 * x
    >>> double(3)
    6
    """

    def compiled(function: Callable) -> Any:
        if options.get("parallel"):
            _start_threads()
        made = numba.njit(**options)(function)
        if options.get("cache"):
            made._cache = _Cache(function)
        return made

    return compiled


@cache
def _start_threads() -> None:
    """Let numba start its threads now: it tells OpenMP to use all cores, which torch would use from then on as well."""
    threads = torch.get_num_threads()
    numba_threads._launch_threads()
    torch.set_num_threads(threads)


@cache
def _digest(root: Path) -> str:
    found = sorted({path for pattern in SOURCES for path in root.glob(pattern)})
    return hashlib.sha256(b"".join(path.read_bytes() for path in found)).hexdigest()


class _Cache(FunctionCache):
    def __init__(self, function: Callable) -> None:
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp(), _digest(ROOT)
        self._cache_file = _CacheFile(self._cache_path, self._impl.filename_base, stamp)


class _CacheFile(IndexDataCacheFile):
    """Index and code are read and written by one process at a time."""

    def save(self, key: Any, data: Any) -> None:
        with suppress(OSError), self._alone():  # on a full disk compiled code is not kept
            super().save(key, data)

    def load(self, key: Any) -> Any:
        if Path(self._index_path).exists():
            with suppress(OSError), self._alone():
                return super().load(key)
        return None

    def _alone(self) -> Any:
        return lock(Path(self._cache_path, "numba"))
