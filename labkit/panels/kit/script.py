"""The scripts displayed by "Show code"."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from labkit.base.expression import expression
from labkit.datasets import Dataset, ice
from labkit.errors import LabkitError
from labkit.panels.kit.files import file_bytes
from labkit.polarizability import with_label

#: Functions in the source of frames, and where they come from.
FUNCTIONS = {"with_label": "labkit.polarizability", "with_noise": "labkit.datasets.faults"}


class Script:
    """A Python script: imports are collected and sorted, lines keep their order.

    >>> script = Script("# three points")
    >>> script.use("numpy", alias="np")
    >>> script.add("print(np.arange(3))")
    >>> print(script.text(), end="")
    # three points
    import numpy as np
    <BLANKLINE>
    print(np.arange(3))
    """

    def __init__(self, comment: str = "") -> None:
        self.comment, self.lines = comment, []
        self.modules: set[str] = set()
        self.names: dict[str, set[str]] = {}
        self.loaded: dict[str, str] = {}  # call of labkit.load -> variable

    def use(self, module: str, *names: str, alias: str = "") -> None:
        """Import a module, or names from it."""
        if names:
            self.names.setdefault(module, set()).update(names)
        else:
            self.modules.add(f"{module} as {alias}" if alias else module)

    def add(self, *lines: str) -> None:
        self.lines += lines

    def call(self, setting: Any) -> str:
        """The call that makes a dataclass of labkit, whose names are imported from its package."""
        text = expression(setting)
        self.use(".".join(type(setting).__module__.split(".")[:2]), *re.findall(r"\b([A-Z]\w*)\(", text))
        return text

    def own(self, name: str, kind: str) -> None:
        """A line for what only the user can make; without it the script ends here, and its error shows this line.

        >>> script = Script()
        >>> script.own("potential", "potential, a Springs")
        >>> print(script.text(), end="")
        potential  # your own potential, a Springs: define it above this line, as you did for the panel
        """
        self.add(f"{name}  # your own {kind}: define it above this line, as you did for the panel")

    def frames(self, name: str, frames: Any, count: int | None = None, label: str = "") -> None:
        """Load frames as the variable `name`: shipped frames by name, others by file and selection.

        count  number of frames used
        label  the tensor they are labelled with

        Frames of unknown origin are read from NAME.extxyz, which `data_files` gives; a list of Atoms is the user's own.
        """
        shipped, end = _shipped(frames, label), f"[:{count}]" if count and count < len(frames) else ""
        self.use("labkit")
        if shipped is not None and label:
            self.use("labkit.polarizability", "with_label")
            self.add(f'{name} = with_label(labkit.datasets.ice("{shipped}"), "{label}")')
        elif shipped is not None:
            self.add(f'{name} = labkit.datasets.ice("{shipped}", n={count or len(frames)})')
        elif not isinstance(frames, Dataset):
            self.own(name, 'frames, as from labkit.load("mine.xyz")')
            self.add(*([f"{name} = {name}{end}"] if end else []))
        elif frames.source:
            self.add(f"{name} = {self._loaded(frames.source)}{end}")
        else:
            self.add(f'{name} = labkit.load("{name}.extxyz"){end}  # under Download')

    def _loaded(self, source: str) -> str:
        """The source, with its imports; a file that is read twice is read once, as `ds`."""
        for function, module in FUNCTIONS.items():
            if f"{function}(" in source:
                self.use(module, function)
        nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
        for call in {ast.get_source_segment(source, x) for x in nodes if ast.unparse(x.func) == "labkit.load"}:
            if call not in self.loaded:
                self.loaded[call] = f"ds{len(self.loaded) + 1 if self.loaded else ''}"
                self.add(f"{self.loaded[call]} = {call}")
            source = source.replace(call, self.loaded[call])
        return source

    def text(self) -> str:
        blocks = [[], []]
        for module in sorted(self.modules):
            blocks[_is_labkit(module)].append(f"import {module}")
        for module, names in sorted(self.names.items()):
            blocks[_is_labkit(module)].append(f"from {module} import {', '.join(sorted(names))}")
        parts = ["\n".join(block) for block in (*blocks, self.lines) if block]
        return (f"{self.comment}\n" if self.comment else "") + "\n\n".join(parts) + "\n"


def data_files(frames: Mapping[str, Any], label: str = "") -> dict[str, bytes]:
    """The files that `Script.frames` reads for these frames by name: NAME.extxyz for those of unknown origin."""
    return {
        f"{name}.extxyz": file_bytes(ds.write, f"{name}.extxyz")
        for name, ds in frames.items()
        if isinstance(ds, Dataset) and not ds.source and _shipped(ds, label) is None
    }


def _is_labkit(module: str) -> bool:
    return module.partition(".")[0] == "labkit"


def _shipped(frames: Any, label: str) -> str | None:
    """The name of a shipped set of frames, which is recognised by its content; None for others."""
    if not isinstance(frames, Dataset) or not frames.name.startswith("ice "):
        return None
    name = frames.name.removeprefix("ice ")
    name = name.split(" ")[0].split("[")[0] if label else name
    return name if _known(name, len(frames), label) == frames.hash else None


@cache
def _known(name: str, count: int, label: str) -> str:
    """The hash of the first `count` shipped frames, or of those with a label; "" if there are none such."""
    try:
        return (with_label(ice(name), label) if label else ice(name, count)).hash
    except LabkitError:
        return ""  # not a shipped set
