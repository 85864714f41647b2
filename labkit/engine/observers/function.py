"""Any function of the state along a run: collected, or written to a CSV file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from labkit.base import State
from labkit.engine.observers import stored
from labkit.engine.observers.files import FileObserver, Growing
from labkit.engine.run import Run
from labkit.errors import LabkitError


class Record(FileObserver):
    """`function(state)`, a tensor (S,) or (S, c) of c numbers for each system, every few steps.

    With a `path` a CSV row for each system: step, time [ps], system, and a column for each of `names`. Without one the
    values are collected in memory, and stored in checkpoints: give a path for long runs.

    Raises LabkitError for a result of another shape, and for a file that cannot be written.

    >>> widths = Record(lambda state: state.cell[:, 0, 0], every=10)
    """

    def __init__(
        self,
        function: Callable[[State], Tensor],
        every: int = 100,
        path: str | os.PathLike[str] | None = None,
        names: Sequence[str] = ("value",),
    ) -> None:
        super().__init__(every)
        self.function, self.path, self.names = function, path, list(names)
        self._values: list[Tensor] = []
        self._steps: list[int] = []

    @property
    def settings(self) -> dict[str, Any]:
        return {"function": self.function, "names": self.names, "in memory": self.path is None}

    @property
    def steps(self) -> Tensor:
        """Steps (T,) of the collected values."""
        return torch.tensor(self._steps, dtype=torch.int64)

    @property
    def values(self) -> Tensor:
        """The collected values, (T, S, c)."""
        if not self._values:
            raise LabkitError("Record: nothing was collected; run simulate with it, or read the file it wrote")
        return torch.stack(self._values)

    def prepare(self, run: Run) -> list[Growing]:
        if self.path is None:
            return []
        return self.files if self.files else [Growing(self.path)]

    def start(self, run: Run) -> None:
        if self._step is None or run.state.loop_step < self._step:
            self._values, self._steps = [], []
        super().start(run)

    def header(self) -> None:
        for file in self.files:
            file.append((",".join(["step", "time_ps", "system", *self.names]) + "\n").encode())

    def write(self, state: State, evaluation: Any) -> None:
        found = torch.as_tensor(self.function(state)).detach().to("cpu", torch.float64)
        rows = found[:, None] if found.ndim == 1 else found
        expected = (state.system.n_systems, len(self.names) if self.path is not None else rows.shape[-1:].numel())
        if rows.ndim != 2 or rows.shape != expected:
            raise LabkitError(
                f"Record: the function returned shape {tuple(found.shape)}; expected ({expected[0]},) or {expected}, a "
                f"row for each system and a column for each of the names {self.names}"
            )
        if self.path is None:
            self._values.append(rows)
            self._steps.append(state.loop_step)
            return
        begin = f"{state.loop_step},{state.loop_step * self.run.dt * 1e-3:.10g}"
        lines = [f"{begin},{s},{','.join(f'{x:.12g}' for x in row)}\n" for s, row in enumerate(rows.tolist())]
        self.files[0].append("".join(lines).encode())

    def position(self) -> dict[str, Any]:
        kept = {"values": self.values, "steps": self.steps} if self._values else {}
        return super().position() | kept

    def rewind(self, position: dict[str, Any], run: Run) -> None:
        super().rewind(position, run)
        self._values, self._steps = [], []
        if "values" in position or "steps" in position:
            steps, values = position["steps"], position["values"]
            steps = stored.tensor(position, "steps", len(steps), dtype=torch.int64)
            values = stored.tensor(position, "values", len(steps), run.state.system.n_systems, values.shape[-1])
            self._values, self._steps = list(values.cpu().unbind()), steps.tolist()
