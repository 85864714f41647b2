"""The Python that gives some frames again: what was loaded, and what was selected from it since."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from labkit.datasets.dataset import Dataset

LONGEST = 600  # characters of a selection; longer ones would be data, not code


def remember(frames: Dataset, source: str) -> Dataset:
    """The frames, whose `source` is now this expression, or "" if there is none that gives them."""
    object.__setattr__(frames, "source", source)
    return frames


def of_call(name: str, path: str | os.PathLike[str], options: dict[str, Any]) -> str:
    """A call with a file and its options, without those that are None.

    >>> of_call("labkit.load", "mine.xyz", {"energy_key": "E0", "stress_key": None})
    'labkit.load("mine.xyz", energy_key="E0")'
    """
    given = [f"{key}={_plain(value)}" for key, value in options.items() if value is not None]
    return f"{name}({', '.join([json.dumps(str(path), ensure_ascii=False), *given])})"


def of_selection(source: str, which: Any, rows: np.ndarray) -> str:
    """`source` with what selects `rows` from it.

    >>> of_selection("ds", slice(None, 40), np.arange(40)), of_selection("ds", [0, 2, 4], np.array([0, 2, 4]))
    ('ds[:40]', 'ds[0:5:2]')
    >>> of_selection("ds", [5, 1], np.array([5, 1])), of_selection("", 3, np.array([3]))
    ('ds[5:0:-4]', '')
    """
    text = _slice(which) if isinstance(which, slice) else _progression(rows) or str(rows.tolist())
    text = text if text.startswith("[") else f"[{text}]"
    return f"{source}{text}" if source and len(text) <= LONGEST else ""


def of_both(one: str, other: str) -> str:
    return f"({one} + {other})" if one and other else ""


def of_split(source: str, valid: float, by: str, seed: int) -> str:
    return f"{source}.split(valid={valid!r}, by={_plain(by)}, seed={seed})" if source else ""


def of_function(source: str, name: str, *arguments: Any, **options: Any) -> str:
    """The call of a function of the frames, as in with_label(frames, "polarizability")."""
    given = [*map(_plain, arguments), *(f"{key}={_plain(value)}" for key, value in options.items())]
    return f"{name}({', '.join([source, *given])})" if source else ""


def _slice(which: slice) -> str:
    start, stop, step = ("" if x is None else str(x) for x in (which.start, which.stop, which.step))
    return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"


def _progression(rows: Sequence[int] | np.ndarray) -> str:
    """start:stop:step for rows at equal distances; "" for others."""
    if len(rows) < 2 or len(set(np.diff(rows).tolist())) > 1 or rows[0] == rows[1]:
        return ""
    first, last, step = int(rows[0]), int(rows[-1]), int(rows[1] - rows[0])
    if step < 0:
        return f"{first}:{last - 1 if last else ''}:{step}"
    return f"{first}:{last + 1}" if step == 1 else f"{first}:{last + 1}:{step}"


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
