"""Exported models (TorchScript): loaded by name only, and called for many rows at once if that is equivalent."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from labkit.errors import LabkitError
from labkit.lammps.mlmod.inspection import inspect
from labkit.lammps.mlmod.parameters import Parameters

#: rows in one call: limits the memory, and the activations of a layer stay in the processor's cache
ROWS = 16384
#: float32's precision, with allowance for another order of operations
TOLERANCE = 1e-4
#: rows with which a method of calling is tested; a prime, so that no other dimension is mistaken for it
SAMPLE = 11

Batched = Callable[[torch.nn.Module, Tensor], Tensor]


def _vmapped(model: torch.nn.Module, rows: Tensor) -> Tensor:
    return torch.vmap(model)(rows[:, :, None])[..., 0]


def _stacked(model: torch.nn.Module, rows: Tensor) -> Tensor:
    return model(rows[:, :, None])[..., 0]


def _columns(model: torch.nn.Module, rows: Tensor) -> Tensor:
    return model(rows.T.contiguous()).T


#: methods of calling a model for all rows at once, tried in this order
WAYS: tuple[Batched, ...] = (_vmapped, _stacked, _columns)


class ExportedModel:
    """A model from a column (k, 1) in float32 to a column (m, 1), as a function of rows (P, k) -> (P, m).

    A model that was exported for one pair may not accept many: torch.vmap, the model's own batch and columns side by
    side are tried, and the first that agrees with single calls is kept, and checked again with one row of every call;
    if none does, it is called once per row, with a warning.

    Loading TorchScript executes the code in the file. It is inspected first, and refused if it does more than
    arithmetic, unless it is `trusted`. Raises LabkitError, naming the key of the parameter file, for a file that is
    not TorchScript or is refused, a model that fails, and one that returns another shape.
    """

    def __init__(self, parameters: Parameters, key: str, *, trusted: bool = False) -> None:
        self.where, self.path = parameters.where(key), parameters.file(key)
        if not trusted:
            inspect(self.path, self.where)
        self._module = _load(self.path, self.where)
        self._way: Batched | None = None
        self._checked: set[int] = set()
        self._calls = 0

    @property
    def settings(self) -> Path:
        """What a run that resumes must share: the file of the model, by its content."""
        return self.path

    @property
    def batched(self) -> bool:
        """Whether all rows are computed in one call."""
        return self._way is not None

    @torch.no_grad()
    def __call__(self, rows: Tensor, size: int | None) -> Tensor:
        """Results (P, m) in float64; m must be `size` if that is given."""
        rows = rows.detach().to("cpu", torch.float32)
        if len(rows) == 1:
            return self.single(rows[0], size)[None].to(torch.float64)
        if rows.shape[1] not in self._checked and len(rows):
            self._choose(rows, size)
        found = [self._part(part, size) for part in rows.split(ROWS)]
        return torch.cat(found).to(torch.float64)

    def single(self, row: Tensor, size: int | None) -> Tensor:
        """One call, (k,) -> (m,)."""
        return self._called(row, size).reshape(-1)

    def _called(self, row: Tensor, size: int | None) -> Tensor:
        """One call, with a check of the shape of its result."""
        try:
            found = self._module(row[:, None])
        except Exception as error:
            lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            raise LabkitError(
                f"{self.where}: {self.path.name} does not take the column {(len(row), 1)} of this type: "
                f"{lines[-1].strip()}; export the model for that shape, or correct mask_input"
            ) from error
        expected = "two dimensions, (r, c)" if size is None else (size, 1)
        if not isinstance(found, Tensor) or found.ndim != 2 or (size is not None and tuple(found.shape) != (size, 1)):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise LabkitError(
                f"{self.where}: {self.path.name} returns {shape} for a column {(len(row), 1)}, expected {expected}; "
                "export a model whose output is such a column"
            )
        return found

    @torch.no_grad()
    def table(self, row: Tensor) -> Tensor:
        """One call with its own shape of result, (k,) -> (r, c), in float64."""
        return self._called(row.detach().to("cpu", torch.float32), None).to(torch.float64)

    def _part(self, rows: Tensor, size: int | None) -> Tensor:
        if self._way is not None:
            try:
                found = self._way(self._module, rows)
            except Exception:  # noqa: BLE001 (a branch that the first rows did not take: row by row, below)
                found = None
            self._calls += 1
            row = 7919 * self._calls % len(rows)  # a different one each time
            if found is not None and len(found) == len(rows) and _agree(found[row], self.single(rows[row], size)):
                return found
            self._slow()
        return torch.stack([self.single(row, size) for row in rows])

    def _choose(self, rows: Tensor, size: int | None) -> None:
        self._checked.add(rows.shape[1])
        sample = rows[torch.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).long()]
        # and random ones up to SAMPLE, so that all branches are likely to be taken
        random = torch.randn(SAMPLE - len(sample), rows.shape[1], generator=torch.Generator().manual_seed(0))
        more = torch.cat([sample, random * rows.abs().mean()])
        expected = torch.stack([self.single(row, size) for row in more])
        sample = more
        for way in WAYS:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    # more than once: TorchScript optimises at the second call
                    found = [way(self._module, sample) for _ in range(3)][-1]
            except Exception:  # noqa: BLE001 (a failure means that the model cannot be called so)
                continue
            if found.shape == expected.shape and _agree(found, expected):
                self._way = way
                return
        self._slow()

    def _slow(self) -> None:
        self._way = None
        warnings.warn(f"{self.path.name}: takes no batches; it is called once per row, which is slow", stacklevel=4)


def _agree(found: Tensor, expected: Tensor) -> bool:
    scale = float(expected.nan_to_num().abs().max())
    return torch.allclose(found, expected, rtol=0.0, atol=TOLERANCE * scale, equal_nan=True)


def _load(path: Path, where: str) -> torch.nn.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript is deprecated: MLMOD's files are made of it
            return torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise LabkitError(
            f"{where}: {path} is not an exported model: {str(error).splitlines()[0]}; write it with torch.jit.save (a "
            "state dict or a model saved by torch.save is not enough)"
        ) from error
