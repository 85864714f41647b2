"""Settings as Python source."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any


def expression(setting: Any) -> str:
    """The call that makes a dataclass, without arguments that have their default.

    >>> from labkit.gap import GapConfig
    >>> expression(GapConfig(sigma_force=0.05))
    'GapConfig(sigma_force=0.05)'
    """
    values = {f.name: getattr(setting, f.name) for f in fields(setting)}
    changed = {f.name: values[f.name] for f in fields(setting) if not _is_default(f, values[f.name])}
    arguments = []
    for name, value in changed.items():
        if name == "descriptors":
            arguments += [f"({', '.join(map(expression, value))})" if len(value) > 1 else expression(value[0])]
        else:
            arguments.append(f"{name}={value!r}")
    return f"{type(setting).__name__}({', '.join(arguments)})"


def _is_default(field: Any, value: Any) -> bool:
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return value == default
