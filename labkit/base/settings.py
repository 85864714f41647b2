"""ModelSettings: what a model is made with, so that fits of any model can be stored, compared and shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Self


class ModelSettings:
    """Base class of a model's settings, which are a frozen dataclass of plain values; `kind` names the model.

    kind       in files and tables, as 'gap'
    file_name  what a file with `text()` is called

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Net(ModelSettings):
    ...     kind = "net"
    ...     layers: tuple[int, ...] = (16, 16)
    ...     cutoff: float = 4.0
    >>> Net(cutoff=5.0).row()
    {'layers': '16 16', 'cutoff': 5.0}
    """

    kind: ClassVar[str]
    file_name: ClassVar[str] = "settings.json"

    def to_dict(self) -> dict[str, Any]:
        """These settings as values that JSON can hold."""
        return asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; every value is checked again."""
        return cls(**{name: tuple(x) if isinstance(x, list) else x for name, x in plain.items()})

    def row(self) -> dict[str, Any]:
        """The columns of a table: one value for each setting; names within names are joined by a space."""
        return dict(_flat(self.to_dict()))

    def summary(self) -> str:
        """A few words, for one cell of a table."""
        return ", ".join(f"{name} {x:g}" if isinstance(x, float) else f"{name} {x}" for name, x in self.row().items())

    def text(self) -> str:
        """These settings as the text of a file."""
        return json.dumps(self.to_dict(), indent=1)


def _flat(plain: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in plain.items():
        if isinstance(value, (list, tuple)):
            if any(isinstance(x, (dict, list, tuple)) for x in value):
                value = {str(k): x for k, x in enumerate(value)}
            else:
                value = " ".join(map(str, value))
        rows += _flat(value, f"{before}{name} ") if isinstance(value, dict) else [(f"{before}{name}", value)]
    return rows
