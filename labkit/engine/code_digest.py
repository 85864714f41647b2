"""The code of functions and classes as a few digits: edited code is another one, moved or commented code is not."""

from __future__ import annotations

import dis
import hashlib
from types import CodeType, FunctionType
from typing import Any

#: packages whose code belongs to their version, not to a run
LIBRARIES = frozenset(
    ("labkit", "torch", "numpy", "ase", "scipy", "numba", "builtins", "abc", "typing", "functools", "collections")
)

GLOBAL = frozenset(("LOAD_GLOBAL", "LOAD_NAME"))
#: instructions whose argument is a name that matters, unlike those of local variables
NAMED = GLOBAL | {"LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "STORE_GLOBAL", "IMPORT_NAME", "IMPORT_FROM", "COMPARE_OP"}


def is_own(value: Any) -> bool:
    """Whether a class or function is a learner's own, or another package's: not labkit's, nor of its libraries.

    >>> is_own(CodeType), is_own(type("Mine", (), {"__module__": "__main__"}))
    (False, True)
    """
    return (getattr(value, "__module__", None) or "builtins").partition(".")[0] not in LIBRARIES


def function_code(function: FunctionType) -> str:
    """A space and 16 digits of what a function does, or "" for those of labkit and its libraries."""
    return f" {_digest(_parts(function.__code__))}" if is_own(function) else ""


def class_code(kind: type) -> str:
    """A space and 16 digits of all methods of an own class, and of its own bases; or ""."""
    parts = []
    for base in kind.__mro__:
        if not is_own(base):
            continue
        for name, member in sorted(vars(base).items()):
            several = (member.fget, member.fset) if isinstance(member, property) else (member,)
            kept = [getattr(f, "__func__", f) for f in several]
            parts += [f"{name}{_parts(f.__code__)}" for f in kept if isinstance(f, FunctionType)]
    return f" {_digest(parts)}" if parts else ""


def globals_of(function: FunctionType) -> dict[str, Any]:
    """The global names that a function reads, with their values."""
    names: set[str] = set()
    waiting = [function.__code__]
    while waiting:
        code = waiting.pop()
        names |= {i.argval for i in dis.get_instructions(code) if i.opname in GLOBAL}
        waiting += [c for c in code.co_consts if isinstance(c, CodeType)]
    return {name: function.__globals__[name] for name in sorted(names) if name in function.__globals__}


def _parts(code: CodeType) -> list[Any]:
    """What of a function's code has an effect: not its place, its variables' names or its documentation."""
    return [(i.opname, _argument(i)) for i in dis.get_instructions(code)] + [code.co_argcount, code.co_kwonlyargcount]


def _argument(instruction: dis.Instruction) -> Any:
    value = instruction.argval
    if instruction.opname in NAMED:
        return value
    if instruction.opcode not in dis.hasconst:
        return instruction.arg
    return _parts(value) if isinstance(value, CodeType) else f"{type(value).__name__} {_ordered(value)!r}"


def _ordered(value: Any) -> Any:
    return sorted(value, key=repr) if isinstance(value, frozenset) else value


def _digest(parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
