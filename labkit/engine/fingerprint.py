"""The ingredients of a run as plain values that can be compared and, if they differ, shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

import labkit
from labkit.base import ELEMENTS, Integrator, Observer, Potential, State
from labkit.engine.description import describe, digest, name_of, settings

#: Entries of a fingerprint that belong to the potential.
OF_POTENTIAL = (
    "potential",
    "settings of the potential",
    "parameters of the potential",
    "further tensors of the potential",
)


def fingerprint(
    state: State, potential: Potential, integrator: Integrator, dt: float, observers: Sequence[Observer] = ()
) -> dict[str, Any]:
    """Everything a checkpoint must share with the run that resumes from it, but for where it starts and its length."""
    system = state.system
    return {
        "labkit": labkit.__version__,
        "atoms": [int(n) for n in system.counts],
        "system": digest([system.numbers, system.masses, system.index, system.pbc]),
        "types": "elements" if system.vocabulary == ELEMENTS else describe(system.of_types),
        "bonds": None if system.bonds is None else digest([system.bonds]),
        "precision": str(state.positions.dtype),
        "seed": describe(state.seed if len(state.seed) > 1 else int(state.seed)),
        "potential": name_of(potential),
        "settings of the potential": settings(potential),
        "parameters of the potential": _parameters(potential),
        "further tensors of the potential": _further(potential),
        "integrator": describe(integrator),
        "timestep [fs]": float(dt),
        "settings of the observers": [describe(observer.settings) for observer in observers],
    }


def differences(found: Any, expected: Any, where: str = "") -> list[str]:
    """Sentences `what: found, this run expected`, one for each leaf that differs."""
    if _dicts(found) and _dicts(expected) and len(found) == len(expected):
        found, expected = (dict(enumerate(items)) for items in (found, expected))
    if isinstance(found, dict) and isinstance(expected, dict):
        names = [*found, *(name for name in expected if name not in found)]
        parts = [
            differences(found.get(n, "nothing"), expected.get(n, "nothing"), f"{where}.{n}" if where else n)
            for n in names
        ]
        return [line for part in parts for line in part]
    return [] if found == expected else [f"{where} {_brief(found)}, this run has {_brief(expected)}"]


def shared(found: Any, expected: Any) -> Any:
    """`expected` without the entries that `found` lacks, as a checkpoint of an earlier version does."""
    if isinstance(found, dict) and isinstance(expected, dict):
        return {name: shared(found[name], expected[name]) for name in expected if name in found}
    return expected


def _parameters(module: Any) -> str | None:
    if not isinstance(module, nn.Module):
        return None
    return digest([t for _, t in sorted(module.state_dict().items()) if isinstance(t, Tensor) and t.numel()])


def _further(module: Any) -> str | None:
    """The names of all tensors, and the values of those that a file of the model does not hold."""
    if not isinstance(module, nn.Module):
        return None
    stored = module.state_dict()
    rest = sorted((name, t) for name, t in module.named_buffers() if name not in stored and t.numel())
    return f"{describe(' '.join(sorted(stored)).encode())} {digest([t for _, t in rest])}"


def _dicts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(x, dict) for x in value)


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
