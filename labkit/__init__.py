"""labkit: learn and do machine-learned molecular simulation, in notebooks and from scripts.

>>> import labkit
>>> len(labkit.datasets.ice("train", n=50))
50
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from labkit import numba_cache

__version__ = "0.1.0"

# Before torch is imported: its threads, while they wait for each other, must not take the cores from other programs.
# If another process uses one of two cores, a fit takes several times as long without this.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
numba_cache.choose()  # before numba is imported

if TYPE_CHECKING:
    from labkit import datasets, gap, panels
    from labkit.datasets import Dataset, load
    from labkit.datasets.audit import audit
    from labkit.jobs import Job, finish

__all__ = ["Dataset", "Job", "audit", "datasets", "finish", "gap", "load", "panels"]

_HOMES = {
    "Dataset": "labkit.datasets",
    "Job": "labkit.jobs",
    "audit": "labkit.datasets.audit",
    "finish": "labkit.jobs",
    "load": "labkit.datasets",
}


def __getattr__(name: str) -> Any:
    """Import what is public when it is first used: `import labkit` takes no torch."""
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in __all__:
        value = importlib.import_module(f"labkit.{name}")
    else:
        raise AttributeError(f"module 'labkit' has no attribute {name!r}")
    globals()[name] = value
    return value
