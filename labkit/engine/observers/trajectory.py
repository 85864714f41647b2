"""The base of all trajectory writers: which systems go to which file, and cells in the standard orientation."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkit.base import Evaluation, State
from labkit.engine.observers.files import FileObserver, Growing
from labkit.engine.run import Run
from labkit.errors import LabkitError


class Trajectory(FileObserver):
    """Base class of writers with one system per file.

    A batch of several systems needs `{system}` in the path, for a file each, or the number of one `system`. Frames
    are not kept in memory.
    """

    #: whether the format can hold several systems, one after another
    mixed = False

    def __init__(self, path: str | os.PathLike[str], every: int = 100, *, system: int | None = None) -> None:
        super().__init__(every)
        self.path, self.system = os.fspath(path), system
        self._chosen: list[int] = []

    @property
    def settings(self) -> dict[str, Any]:
        return {"system": self.system}

    def prepare(self, run: Run) -> list[Growing]:
        count = run.state.system.n_systems
        if self.system is not None and not 0 <= self.system < count:
            raise LabkitError(f"{self.path}: there is no system {self.system}; the batch has 0 to {count - 1}")
        self._chosen = list(range(count)) if self.system is None else [self.system]
        each = "{system}" in self.path
        if len(self._chosen) > 1 and not each and not self.mixed:
            raise LabkitError(
                f"{self.path}: this format holds one system, the batch has {count}; put {{system}} into the path "
                "for a file each, or choose one with system="
            )
        paths = [self.path.replace("{system}", str(s)) for s in self._chosen] if each else [self.path]
        if [str(f.path) for f in self.files] == [str(Growing(p).path) for p in paths]:
            return self.files
        return [self.file(path) for path in paths]

    def file(self, path: str) -> Growing:
        return Growing(path)

    def write(self, state: State, evaluation: Evaluation) -> None:
        for number, s in enumerate(self._chosen):
            self.frame(self.files[min(number, len(self.files) - 1)], state, evaluation, s)

    def frame(self, file: Growing, state: State, evaluation: Evaluation, s: int) -> None:
        """Append system `s` of the batch to a file."""
        raise NotImplementedError

    def time(self, state: State) -> float:
        """fs since step 0."""
        return state.loop_step * self.run.dt


def part(state: State, values: Tensor, s: int) -> np.ndarray:
    """The rows of system `s` of a per-atom tensor, as float64 on the CPU."""
    start, end = state.system.offsets[s : s + 2]
    return values[start:end].detach().to("cpu", torch.float64).numpy()


def oriented(state: State, s: int, path: str) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Positions (n, 3), velocities (n, 3) and cell (3, 3) of a system for formats that store a cell as lengths and
    angles: a along x, b in the xy plane. The system is rotated if necessary; no cell: None.

    Raises LabkitError for a left-handed cell, which no rotation brings into this orientation.
    """
    positions, velocities = part(state, state.positions, s), part(state, state.velocities, s)
    cell = state.cell[s].detach().to("cpu", torch.float64).numpy()
    if not bool(state.system.pbc[s].any()) or abs(np.linalg.det(cell)) < 1e-9:
        return positions, velocities, None
    if np.linalg.det(cell) < 0:
        raise LabkitError(
            f"{path}: the cell of system {s} is left-handed, which this format cannot store; write .extxyz, or swap "
            "two lattice vectors"
        )
    if np.all(cell[np.triu_indices(3, 1)] == 0) and np.all(np.diag(cell) > 0):
        return positions, velocities, cell
    turn, lower = np.linalg.qr(cell.T)
    turn = turn * np.sign(np.diag(lower))
    cell = np.tril(cell @ turn)
    return positions @ turn, velocities @ turn, cell


def lengths_and_angles(cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lengths a, b, c and angles α, β, γ in degrees of a cell (3, 3)."""
    lengths = np.linalg.norm(cell, axis=1)
    cosines = [cell[i] @ cell[j] / (lengths[i] * lengths[j]) for i, j in ((1, 2), (0, 2), (0, 1))]
    return lengths, np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
