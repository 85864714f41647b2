"""Settings as one text, the same in every process and on every machine, and its hash."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from labkit.errors import LabkitError

#: Metadata of a field that does not affect labels: left out of the hash.
NOT_HASHED = {"hashed": False}


def canonical(settings: Mapping[str, Any]) -> str:
    """JSON with sorted keys; equal numbers are written equally, and tuples and arrays as lists.

    Raises LabkitError, naming the key, for what is neither a number, a text, None, a sequence nor a mapping of these.

    >>> canonical({"k_points": (1, 1, 1), "ecutwfc": 70.0}) == canonical({"ecutwfc": 70, "k_points": [1, 1, 1]})
    True
    """
    return json.dumps(_plain(settings, "settings"), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def settings_hash(settings: Mapping[str, Any]) -> str:
    """sha256 of the canonical text, 64 hexadecimal digits."""
    return hashlib.sha256(f"labkit oracle 1\n{canonical(settings)}".encode()).hexdigest()


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise LabkitError(f"{where} is {value}, expected a finite number")
        return int(value) if value == int(value) else value  # 70.0 is 70
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise LabkitError(f"{where} has keys that are not texts: {list(value)}")
        return {key: _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    raise LabkitError(
        f"{where} is of type {type(value).__name__}, which has no unique text; expected numbers, texts, None, and "
        "lists or dicts of them"
    )
