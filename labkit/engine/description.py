"""Values as plain JSON that can be compared: what they hold, and of own classes and functions their code."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cached_property, partial
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labkit.engine.code_digest import class_code, function_code, globals_of, is_own

_SHORT, _LONG = 16, 64  # numbers of a tensor, and entries of a list, that are kept as they are; longer ones by hash
_LARGEST = 64_000_000  # bytes of a file whose content counts
_OF_TORCH = frozenset(vars(nn.Module()))
#: what ASE's own calculators keep beside their parameters
_OF_ASE = frozenset(("results", "atoms", "parameters", "_parameters", "_directory", "prefix", "label", "nl"))


def describe(value: Any, above: tuple[int, ...] = ()) -> Any:
    """A value as JSON: numbers and text as they are, long tensors by hash, objects by class and attributes.

    Functions and classes outside of labkit and its libraries also by their code: an energy that was edited in a
    notebook is another one. Private attributes count there too if they are plain values, numbers and arrays.

    >>> describe({"temperature": 300.0, "friction": torch.tensor([0.5])})
    {'temperature': 300.0, 'friction': [0.5]}
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, np.generic):
        return describe(value.item())
    if isinstance(value, Tensor | np.ndarray):
        return _array(torch.as_tensor(value)) if _is_numbers(value) else describe(value.tolist(), above)
    if isinstance(value, bytes | Path):
        return _file(value) if isinstance(value, Path) else _sha(value)
    if isinstance(value, Enum | torch.dtype | torch.device | np.dtype | complex):
        return str(value)
    if id(value) in above or len(above) > 20:
        return name_of(value)
    above = (*above, id(value))
    if isinstance(value, nn.Module):
        return f"{name_of(value)} {digest(_tensors(value))} {_sha(json.dumps(settings(value, above)).encode())}"
    if isinstance(value, Mapping):
        return _short({str(key): describe(item, above) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return _short([describe(item, above) for item in value])
    if isinstance(value, set | frozenset):
        return _short(sorted((describe(item, above) for item in value), key=repr))
    if isinstance(value, ModuleType | type):
        return getattr(value, "__qualname__", value.__name__) + (class_code(value) if isinstance(value, type) else "")
    return _callable(value, above) or _object(value, above)


def settings(module: Any, above: tuple[int, ...] = ()) -> dict[str, Any]:
    """Class and attributes of a module and all within it, by their paths; tensors that torch knows are left out."""
    if not isinstance(module, nn.Module):
        return {}
    found = {
        path or "itself": {"class": type(part).__qualname__} | _code(type(part)) | _attributes(part, above)
        for path, part in module.named_modules()
    }
    if isinstance(module, torch.jit.ScriptModule) and hasattr(module, "forward"):
        found["itself"]["graph"] = _sha(str(module.inlined_graph).encode())
    return found


def digest(tensors: list[Tensor]) -> str:
    """First 16 hexadecimal digits of the sha256 of some tensors."""
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:16]


def name_of(value: Any) -> str:
    """Module and name of a value's class."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _tensors(module: nn.Module) -> list[Tensor]:
    kept = [*module.named_parameters(), *module.named_buffers()]
    return [t for _, t in sorted(kept, key=lambda pair: pair[0]) if t.numel()]


def _callable(value: Any, above: tuple[int, ...]) -> Any:
    """A function, with all that it takes from where it was written; None for other objects."""
    value = getattr(value, "py_func", value)  # compiled by numba
    if isinstance(value, partial):
        return {"partial": describe(value.func, above), "of": describe([value.args, value.keywords], above)}
    if isinstance(value, MethodType):
        return {"method": value.__qualname__, "of": describe(value.__self__, above)}
    if not isinstance(value, FunctionType):
        return getattr(value, "__qualname__", None)
    known = inspect.unwrap(value)
    cells = zip(known.__code__.co_freevars, known.__closure__ or (), strict=True)
    held = {name: cell.cell_contents for name, cell in cells if _full(cell)}
    if is_own(known):
        held |= {name: x for name, x in globals_of(known).items() if _is_constant(x)}
    held |= {f"default {k}": x for k, x in enumerate(known.__defaults__ or ())} | (known.__kwdefaults__ or {})
    text = known.__qualname__ + function_code(known)
    return {"function": text, "with": describe(held, above)} if held else text


def _object(value: Any, above: tuple[int, ...]) -> Any:
    kind = type(value)
    if is_dataclass(value):
        found = {f.name: getattr(value, f.name) for f in fields(value)}
        return {"class": name_of(value)} | _code(kind) | {k: describe(x, above) for k, x in found.items()}
    return {"class": name_of(value)} | _code(kind) | _attributes(value, above)


def _code(kind: type) -> dict[str, str]:
    return {"code": code} if (code := class_code(kind).strip()) else {}


def _attributes(value: Any, above: tuple[int, ...]) -> dict[str, Any]:
    """Public attributes, and plain private ones of own classes; not what torch, ASE or labkit keep for themselves."""
    kind, own = type(value), is_own(type(value))
    found = {n: x for c in reversed(kind.__mro__) if is_own(c) for n, x in vars(c).items() if _is_plain(x)}
    found |= {n: getattr(value, n) for n in getattr(kind, "__slots__", ()) if hasattr(value, n)}
    found |= vars(value) if hasattr(value, "__dict__") else {}
    if hasattr(value, "get_property"):  # a calculator of ASE's
        mine = {n: x for n, x in found.items() if n not in _OF_ASE and (own or _computes(x))}
        found = {"parameters": dict(getattr(value, "parameters", {})), **mine}
    elif hasattr(value, "calcs"):  # a sum of them
        found = {n: x for n, x in found.items() if n in ("calcs", "weights")}
    elif not own and not isinstance(value, nn.Module):  # what its constructor was given, or what it names itself
        given = inspect.signature(kind).parameters if _is_labkit(kind) else ()
        found = {n: x for n, x in found.items() if n in given}
        found |= {"settings": value.settings} if _is_labkit(kind) and hasattr(kind, "settings") else {}
    if isinstance(value, nn.Module) and isinstance(getattr(kind, "weights", None), property):
        found = {**found, "weights": value.weights}  # of tensor models, which torch does not know
    hidden = {*(_OF_TORCH if isinstance(value, nn.Module) else ()), *_cached(kind)}
    return {
        name: describe(x, above)
        for name, x in sorted(found.items())
        if name not in hidden
        and not name.startswith("__")
        and (not name.startswith("_") or (own and _is_plain(x)))
        and not (isinstance(value, nn.Module) and isinstance(x, nn.Module))
    }


def _cached(kind: type) -> set[str]:
    return {n for c in kind.__mro__ for n, x in vars(c).items() if isinstance(x, cached_property)}


def _computes(value: Any) -> bool:
    several = value if isinstance(value, list | tuple) else getattr(value, "calcs", [value])
    return bool(several) and all(isinstance(x, nn.Module) or hasattr(x, "get_property") for x in several)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    return value is None or isinstance(value, bool | int | float | complex | str | np.generic | np.ndarray | Tensor)


def _is_constant(value: Any) -> bool:
    return _is_plain(value) or isinstance(value, nn.Module) or (isinstance(value, FunctionType) and is_own(value))


def _is_numbers(value: Tensor | np.ndarray) -> bool:
    return isinstance(value, Tensor) or value.dtype.kind in "biufc"


def _is_labkit(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "labkit"


def _full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that is not set yet
        return False


def _array(value: Tensor) -> Any:
    short = value.numel() <= _SHORT and bool(torch.isfinite(value).all())
    return value.tolist() if short else f"{tuple(value.shape)} {digest([value])}"


def _short(value: Any) -> Any:
    return value if len(value) <= _LONG else f"{len(value)} entries {_sha(json.dumps(value).encode())}"


def _file(path: Path) -> str:
    """The name of a file and what it holds: it may lie elsewhere when a run resumes."""
    try:
        known = path.is_file() and path.stat().st_size <= _LARGEST
        return f"{path.name} {_sha(path.read_bytes())}" if known else path.name
    except OSError:
        return path.name


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
