"""Labels of several levels of theory for one frame: each is taken from the store, or bought and stored."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ase import Atoms

from labkit.oracles.label import Label

if TYPE_CHECKING:
    from labkit.oracles.oracle import Oracle
    from labkit.oracles.store import LabelStore


def label_of(
    oracle: Oracle, atoms: Atoms, store: LabelStore | None, should_stop: Callable[[], bool]
) -> tuple[Label, float]:
    """The label of one level and the seconds that it took, 0 if the store had it; a new one is stored under its key."""
    if store is not None and (known := store.get(atoms, oracle)) is not None:
        return known, 0.0
    started = time.monotonic()
    try:
        label, seconds = oracle.timed(atoms, should_stop)
    except Exception as error:
        if not hasattr(error, "seconds"):
            error.seconds = time.monotonic() - started  # type: ignore[attr-defined]
        raise
    if store is not None:
        store.put(atoms, oracle, label)
    return label, seconds
