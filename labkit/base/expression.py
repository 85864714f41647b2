"""Settings as Python source."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from typing import Any


def expression(setting: Any) -> str:
    """The call that makes a dataclass, without arguments that have their default.

    >>> from labkit.gap import GapConfig, Soap
    >>> expression(GapConfig(Soap(cutoff=5.0), sigma_force=0.05))
    'GapConfig(Soap(cutoff=5.0), sigma_force=0.05)'
    """
    arguments = []
    for place, field in enumerate(fields(setting)):
        value = getattr(setting, field.name)
        if not _is_default(field, value):
            positional = place == 0 and _parts(value)
            arguments.append(_source(value) if positional else f"{field.name}={_source(value)}")
    return f"{type(setting).__name__}({', '.join(arguments)})"


def _source(value: Any) -> str:
    parts = _parts(value)
    if not parts:
        return repr(value)
    return expression(parts[0]) if len(parts) == 1 else f"({', '.join(map(expression, parts))})"


def _parts(value: Any) -> tuple[Any, ...]:
    """The dataclasses of which a value consists: itself, or those in a tuple; none for any other value."""
    parts = value if isinstance(value, tuple) else (value,)
    return parts if all(is_dataclass(part) for part in parts) else ()


def _is_default(field: Any, value: Any) -> bool:
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return value == default
