"""Errors and sigmas as the measures take them: of one shape, finite, and not all zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.errors import LabkitError


def checked(errors: Any, sigmas: Any, least: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Sizes |e| of errors and their sigmas σ, as rows of float64; σ in the unit of the errors, or a score.

    Raises LabkitError for sizes that differ, fewer than `least` errors, NaN, a negative σ, and sigmas that are all 0.

    >>> checked([0.1, -0.2], [0.1, 0.3])
    (array([0.1, 0.2]), array([0.1, 0.3]))
    """
    e, s = np.asarray(errors, dtype=float), np.asarray(sigmas, dtype=float)
    if e.shape != s.shape:
        raise LabkitError(f"errors have shape {e.shape} and sigmas {s.shape}; expected one sigma for each error")
    e, s = np.abs(e.ravel()), s.ravel()
    if len(e) < least:
        raise LabkitError(f"too few frames: {len(e)} errors; expected {least} or more")
    if not np.isfinite(e).all():
        raise LabkitError(f"{_which(~np.isfinite(e), 'errors')} NaN or infinite; leave out what has no label")
    return e, checked_sigmas(s)


def checked_sigmas(sigmas: Any) -> np.ndarray:
    """Sigmas as a row of float64; raises LabkitError as `checked` does."""
    s = np.asarray(sigmas, dtype=float).ravel()
    if not np.isfinite(s).all():
        raise LabkitError(f"{_which(~np.isfinite(s), 'sigmas')} NaN or infinite; look at the uncertainty's model first")
    if (s < 0).any():
        k = int(np.argmax(s < 0))
        raise LabkitError(f"{_which(s < 0, 'sigmas')} negative ({s[k]:.3g}); expected standard deviations, 0 or more")
    if len(s) and not s.any():
        raise LabkitError(
            f"all {len(s)} sigmas are 0: equal members of a committee, or a spread without data; such an uncertainty "
            "says nothing"
        )
    return s


def checked_labels(labels: Any, n: int, name: str) -> np.ndarray:
    """A row of n labels such as species or trajectories; raises LabkitError for another number of them."""
    found = np.asarray(labels).ravel()
    if len(found) != n:
        raise LabkitError(f"{len(found)} values of {name} for {n} errors; expected one for each")
    return found


def check_share(value: float, name: str) -> None:
    """Raise LabkitError for a share that is not between 0 and 1."""
    if not 0 < value < 1:
        raise LabkitError(f"{name} is {value!r}; expected a number between 0 and 1, such as 0.95")


def _which(wrong: np.ndarray, what: str) -> str:
    k, n, total = int(np.argmax(wrong)), int(wrong.sum()), len(wrong)
    return f"all {total} {what} are" if n == total else f"{n} of {total} {what} (the first is number {k}) are"
