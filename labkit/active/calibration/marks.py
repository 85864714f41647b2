"""Marks of frames and models, by which a certificate knows what it was made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from torch import nn

from labkit.active.uncertainty import Uncertainty
from labkit.base import Potential
from labkit.datasets import Dataset
from labkit.datasets.overlap import SAME
from labkit.engine.description import describe, name_of
from labkit.errors import LabkitError


def frame_marks(frames: Dataset) -> tuple[str, ...]:
    """A hash of atoms, positions and cell of each frame, to 1e-5 Å; labels and order of frames do not count.

    >>> import labkit
    >>> frames = labkit.datasets.ice("train", n=50)
    >>> frame_marks(frames)[3] == frame_marks(frames[[3, 4]])[0] != frame_marks(frames)[4]
    True
    """
    flat = (frames.atoms.flat(np.array([k])) for k in range(len(frames)))
    return tuple(hashlib.sha256((np.round(x / SAME) + 0.0).tobytes()).hexdigest()[:24] for x in flat)


def model_mark(potential: Potential, uncertainty: Uncertainty | None = None) -> str:
    """A hash of the parameters and settings of a potential and of its uncertainty; a refit has another one."""
    content = json.dumps([describe(potential), _content(uncertainty)], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:24]


def marks_of(sets: Dataset | Iterable[Dataset]) -> frozenset[str]:
    """The marks of the frames of one set or several."""
    several = [sets] if isinstance(sets, Dataset) else sets
    return frozenset(mark for one in several for mark in frame_marks(one))


def fitted_to(uncertainty: Uncertainty | None) -> frozenset[str]:
    """The marks of the frames that an uncertainty, and the one that it rescales, were calibrated with."""
    found: set[str] = set()
    while uncertainty is not None:
        kept = getattr(uncertainty, "frames", ())
        found.update(kept if isinstance(kept, tuple) else ())
        uncertainty = getattr(uncertainty, "uncertainty", None)
    return frozenset(found)


def refuse(frames: Sequence[str], used: Iterable[str], purpose: str, use: str) -> None:
    """Raise LabkitError, naming the first, if frames for `purpose` were used before."""
    known = frozenset(used)
    twice = [k for k, mark in enumerate(frames) if mark in known]
    if twice:
        raise LabkitError(
            f"{len(twice)} of {len(frames)} frames (the first is frame {twice[0]}) were {use} before; {purpose} needs "
            "frames that were not, as a model is better where it has learned or was tuned"
        )


def _content(value: Any) -> Any:
    """As `describe`, with all public attributes of an uncertainty: also what was fitted, as a covariance is."""
    if isinstance(value, nn.Module) or not (
        type(value).__module__.startswith("labkit.") and hasattr(value, "__dict__")
    ):
        return describe(value)
    made = {name for kind in type(value).__mro__ for name, x in vars(kind).items() if isinstance(x, cached_property)}
    kept = {n: _content(x) for n, x in sorted(vars(value).items()) if n not in made and not n.startswith("_")}
    return {"class": name_of(value), **kept}
