"""The ingredients of a run as plain values that can be compared and, if they differ, shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn

import labkit
from labkit.base import ELEMENTS, Integrator, Potential, State

#: Entries of a fingerprint that belong to the potential.
OF_POTENTIAL = ("potential", "settings of the potential", "parameters of the potential")
_SHORT = 16  # numbers that are stored as they are; longer tensors by their hash


def fingerprint(state: State, potential: Potential, integrator: Integrator, dt: float) -> dict[str, Any]:
    """Everything a checkpoint must share with the run that resumes from it; not positions, nor the number of steps."""
    system = state.system
    return {
        "labkit": labkit.__version__,
        "atoms": [int(n) for n in system.counts],
        "system": digest([system.numbers, system.masses, system.index, system.pbc]),
        "types": "elements" if system.vocabulary == ELEMENTS else describe(system.of_types),
        "bonds": None if system.bonds is None else digest([system.bonds]),
        "precision": str(state.positions.dtype),
        "seed": describe(state.seed if len(state.seed) > 1 else int(state.seed)),
        "potential": _name(potential),
        "settings of the potential": _settings(potential),
        "parameters of the potential": _module(potential),
        "integrator": describe(integrator),
        "timestep [fs]": float(dt),
    }


def describe(value: Any) -> Any:
    """A value as JSON; dataclasses by their fields, modules and long tensors by hash, anything else by its class.

    >>> import torch
    >>> describe({"temperature": 300.0, "friction": torch.tensor([0.5])})
    {'temperature': 300.0, 'friction': [0.5]}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        return value.tolist() if value.numel() <= _SHORT else f"{tuple(value.shape)} {digest([value])}"
    if isinstance(value, nn.Module):
        return f"{_name(value)} {_module(value)}"
    if is_dataclass(value) and not isinstance(value, type):
        return {"class": _name(value)} | {f.name: describe(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    return getattr(value, "__qualname__", None) or _name(value)


def differences(found: Any, expected: Any, where: str = "") -> list[str]:
    """Sentences `what: found, this run expected`, one for each leaf that differs."""
    if isinstance(found, dict) and isinstance(expected, dict):
        names = [*found, *(name for name in expected if name not in found)]
        parts = [
            differences(found.get(n, "nothing"), expected.get(n, "nothing"), f"{where}.{n}" if where else n)
            for n in names
        ]
        return [line for part in parts for line in part]
    return [] if found == expected else [f"{where} {_brief(found)}, this run has {_brief(expected)}"]


def digest(tensors: list[Tensor]) -> str:
    """First 16 hexadecimal digits of the sha256 of some tensors."""
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().numpy().tobytes())
    return total.hexdigest()[:16]


def _module(module: Any) -> str | None:
    if not isinstance(module, nn.Module):
        return None
    return digest([t for _, t in sorted(module.state_dict().items()) if isinstance(t, Tensor) and t.numel()])


def _settings(module: Any) -> dict[str, Any]:
    """Class and public attributes that are plain values, such as a cutoff, of a module and all within it."""
    if not isinstance(module, nn.Module):
        return {}
    return {
        path or "itself": {"class": type(part).__qualname__}
        | {
            name: describe(value)
            for name, value in vars(part).items()
            if isinstance(value, str | int | float | None) and not name.startswith("_") and name != "training"
        }
        for path, part in module.named_modules()
    }


def _name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
