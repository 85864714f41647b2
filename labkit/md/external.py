"""The key `external` of a run file: labkit's own model, or a Python module, which runs only where it is trusted."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labkit.base import Potential, TorchmdPotential
from labkit.errors import LabkitError, suggest
from labkit.md.models import embedded, format_of, read_model

KEYS = ("module", "embeddings", "file")
_BESIDE: set[str] = set()  # outermost packages that were loaded here, for a run file


@dataclass(frozen=True)
class External:
    """An external potential: labkit's own model (`file`), or `External(file, embeddings, device)` of a module.

    embeddings  whole numbers of the atoms, or the .npy file that holds them
    options     further keys of the run file, which the module's External takes by name
    """

    module: str = "labkit"
    file: str | None = None
    embeddings: tuple[int, ...] | str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any) -> External:
        """From the values of a run file; raises ValueError, or LabkitError for a key that labkit's model has not."""
        if not isinstance(value, dict):
            raise ValueError
        found = {key: value[key] for key in ("module", "file") if value.get(key) is not None}
        options = {key: x for key, x in value.items() if key not in KEYS}
        if options and found.get("module", "labkit") == "labkit":
            key = next(iter(options))
            raise LabkitError(f"external: unknown key {key!r}{suggest(str(key), KEYS)}; known: {', '.join(KEYS)}")
        if not found or not all(isinstance(x, str) and x.strip() for x in found.values()):
            raise ValueError
        if not all(isinstance(key, str) for key in options):
            raise ValueError
        return cls(**found, embeddings=_embeddings(value.get("embeddings")), options=options)

    def load(
        self, folder: Path, atoms: Sequence[int], replicas: int, device: torch.device, *, trust: bool
    ) -> Potential:
        """The potential, for replicas of atoms with these atomic numbers (0: none); `folder` is that of the run file.

        A model that labkit has written is read by labkit, whatever the module. Raises LabkitError for another module
        that is not trusted (nothing of it has run then), is not there, or fails.
        """
        n_atoms = len(atoms)
        file = None if self.file is None else str(found_file(self.file, folder))
        if self.module == "labkit" or (file is not None and format_of(Path(file)).startswith("labkit ")):
            if self.options:
                key = next(iter(self.options))
                raise LabkitError(f"external: {key!r} is not for a model of labkit, which {file} is; leave it out")
            model = read_model(None if file is None else Path(file))
            if self.embeddings is None:
                return model
            return embedded(model, self._numbers(folder, n_atoms), atoms, replicas)
        module = _module(self.module, self.file, folder, trust)
        if not hasattr(module, "External"):
            raise LabkitError(f"external: module {self.module!r} has no class External(file, embeddings, device)")
        numbers = None
        if self.embeddings is not None:
            numbers = torch.tensor(self._numbers(folder, n_atoms), device=device).repeat(replicas, 1)
        try:
            return TorchmdPotential(module.External(file, numbers, device=device, **self.options))
        except Exception as error:  # the module's own code
            given = ", ".join(["file", "embeddings", "device", *self.options])
            raise LabkitError(
                f"external: {self.module}.External({given}) failed ({type(error).__name__}: {error})"
                f"{_unknown(module.External, self.options)}"
            ) from error

    def _numbers(self, folder: Path, n_atoms: int) -> list[int]:
        numbers = list(self.embeddings) if isinstance(self.embeddings, tuple) else None
        where = "external: embeddings"
        if numbers is None:
            path = found_file(self.embeddings, folder)
            where = f"{where}: {path}"
            if not path.is_file():
                raise LabkitError(f"{where}: there is no such file")
            try:
                array = np.load(path, allow_pickle=False)
                numbers = np.asarray(array).astype(int).tolist()
            except (ValueError, TypeError, OSError, EOFError, MemoryError) as error:
                raise LabkitError(f"{where}: cannot be read as numbers of numpy ({error})") from error
            if array.ndim != 1 or not np.array_equal(array, numbers):
                raise LabkitError(
                    f"{where}: holds an array of {array.dtype} {array.shape}, expected whole numbers (n,)"
                )
        if len(numbers) != n_atoms:
            raise LabkitError(f"{where}: {len(numbers)} numbers for {n_atoms} atoms; give one for each atom")
        return numbers


def found_file(name: str, folder: Path) -> Path:
    """A file named in a run file: relative to the working folder, or else to that of the run file."""
    given = Path(name).expanduser()
    return given if given.exists() or given.is_absolute() else folder / given


def _embeddings(value: Any) -> tuple[int, ...] | str | None:
    if value is None or isinstance(value, str):
        return value
    numbers = list(value)
    if any(isinstance(x, bool) or int(float(x)) != float(x) or float(x) < 0 for x in numbers):
        raise ValueError
    return tuple(int(float(x)) for x in numbers)


def _module(name: str, file: str | None, folder: Path, trust: bool) -> Any:
    """Import a trusted module, also one beside the run file or in the working folder; of others nothing runs."""
    top, beside = name.split(".")[0], [str(folder.resolve()), str(Path.cwd())]
    importlib.invalidate_caches()  # the file may be newer than Python's list of its folder
    # finding the outermost package runs nothing of it; what it holds cannot be looked up without running it
    spec = PathFinder.find_spec(top, beside) or _installed(top)
    if spec is None or not all(part.isidentifier() for part in name.split(".")):
        raise LabkitError(
            f"external: module {name!r} cannot be imported: there is no {top!r} in {beside[0]}, in the working folder "
            "or installed"
        )
    origin = spec.origin or next(iter(spec.submodule_search_locations or ()), "?")
    if not trust:
        raise LabkitError(
            f"external: module {name!r} is Python code, {origin}, and may do anything that you may do"
            + (f", as may what it loads from {file}" if file else "")
            + "; read it, and if you trust it run again with --trust (in Python: prepare(..., trust=True))"
        )
    loaded = sys.modules.get(top)
    if loaded is not None and spec.origin and getattr(loaded, "__file__", None) not in (None, spec.origin):
        if top not in _BESIDE:
            raise LabkitError(
                f"external: module {name!r} is to come from {origin}, but {loaded.__file__} is already loaded under "
                "this name; rename it, or start Python again"
            )
        for other in [m for m in sys.modules if m.split(".")[0] == top]:  # of another run file, in another folder
            del sys.modules[other]
    if top not in sys.modules:
        _BESIDE.add(top)
    sys.path[:0] = beside
    try:
        return importlib.import_module(name)
    except Exception as error:  # the module's own code
        raise LabkitError(f"external: module {name!r} cannot be imported: {error}") from error
    finally:
        for place in beside:
            sys.path.remove(place)


def _installed(top: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(top)
    except ValueError:  # what runs as a script has no place
        return None


def _unknown(kind: Any, options: dict[str, Any]) -> str:
    """Which further key of a run file the class does not take, if its signature says so."""
    try:
        names = list(inspect.signature(kind).parameters)
    except (TypeError, ValueError):
        return ""
    return "".join(f"; {key!r} is not among its arguments{suggest(key, names)}" for key in options if key not in names)
