"""Adjustable runs as files, from which they go on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from labkit.base import State
from labkit.base.state_file import packed, unpacked
from labkit.engine.adjustable_run import COLUMNS, AdjustableRun
from labkit.errors import LabkitError
from labkit.files import atomic_tensors, read_tensors, sealed, whole_content

_FORMAT = "labkit.adjustable_run.1"
_UNITS = "eV, Å, fs, u, K"
_FRAME = ("positions", "velocities", "forces", "cell", "energy", "step")  # what frames of one run do not share


def write_run(run: AdjustableRun, path: str | os.PathLike[str], **about: Any) -> None:
    """Write a run so far, with values `about` it that JSON can hold; blocks that are added meanwhile are left out.

    >>> from ase.build import molecule
    >>> run = AdjustableRun(State.from_atoms(molecule("H2O")))
    >>> write_run(run, "/tmp/labkit-doctest.safetensors", note="start")
    >>> read_run("/tmp/labkit-doctest.safetensors")[1]
    {'note': 'start'}
    """
    last = run.state.loop_step
    rows = [[float("nan") if x is None else x for x in row] for row in list(run.rows) if row[0] <= last]
    frames = [state for state in list(run.frames) if state.loop_step <= last]
    vocabulary, tensors = packed(run.state)
    tensors["rows"] = torch.tensor(rows, dtype=torch.float64).reshape(-1, len(COLUMNS))
    for name in _FRAME:
        values = [getattr(state, name).detach().cpu() for state in frames if getattr(state, name) is not None]
        if values:
            tensors[f"frames.{name}"] = torch.stack(values)
    spreads = [(step, elapsed, found._asdict()) for step, elapsed, found in list(run.spreads) if step <= last]
    plain = {"time": run.time, "every": run.every, "legs": run.legs, "spreads": spreads, "about": about}
    header = {"format": _FORMAT, "units": _UNITS, "vocabulary": vocabulary}
    header |= {name: json.dumps(value) for name, value in plain.items()}
    atomic_tensors(path, tensors, sealed(header, tensors))


def read_run(
    path: str | os.PathLike[str], found: Callable[..., Any] = dict, device: torch.device | str = "cpu"
) -> tuple[AdjustableRun, dict[str, Any]]:
    """What `write_run` wrote; `found` builds each spread from its named values.

    Raises LabkitError for another kind of file, or a damaged one.
    """
    header, tensors = read_tensors(Path(path), _FORMAT, "run", device, finite=False)
    with whole_content(Path(path)):
        values = {name: tensors.pop(f"frames.{name}") for name in _FRAME if f"frames.{name}" in tensors}
        rows = tensors.pop("rows")
        if rows.shape[1:] != (len(COLUMNS),):
            raise LabkitError(f"rows has the shape {tuple(rows.shape)}, expected (any, {len(COLUMNS)})")
        state = State(**unpacked(header["vocabulary"], tensors))
        bare = state.replace(aux={}, atom_aux={}, forces=None, energy=None)
        count = len(values.get("step", ()))
        frames = [bare.replace(**{name: x[k] for name, x in values.items()}) for k in range(count)]
        every, legs = json.loads(header["every"]), json.loads(header["legs"])
        spreads = [(int(step), float(t), found(**one)) for step, t, one in json.loads(header["spreads"])]
        run = AdjustableRun(
            state, float(json.loads(header["time"])), (int(every[0]), int(every[1])), [_row(x) for x in rows.tolist()],
            frames, spreads, tuple((str(text), float(dt), int(steps)) for text, dt, steps in legs),
        )  # fmt: skip
        return run, json.loads(header["about"])


def _row(values: list[float]) -> tuple[Any, ...]:
    """A row of the log: its step is a whole number, and nan stands for no target."""
    step, *rest = values
    target = COLUMNS.index("target_K") - 1
    return (int(step), *(None if k == target and x != x else x for k, x in enumerate(rest)))
