"""A run on disk, complete or absent: all that is needed to resume it as if it had not stopped."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from labkit.base import State
from labkit.base.state import COUNTERS
from labkit.engine.fingerprint import OF_POTENTIAL, differences
from labkit.errors import LabkitError
from labkit.files import atomic_tensors, tensors_digest

_FORMAT = "labkit run 2"
_UNITS = "eV, Å, fs, u, K, e"
_STATE = ("positions", "velocities", "forces", "cell", "energy", "step", "seed")


@dataclass(frozen=True, eq=False)
class Stored:
    """The content of a checkpoint: the state, and the position of each observer (see `Checkpoint.write`)."""

    state: State
    positions: list[Any]
    same_potential: bool = True


class Checkpoint:
    """One safetensors file that belongs to one run; `mark` is the run's fingerprint.

    A checkpoint of another system, potential, integrator, timestep, seed or version of labkit is refused with a
    LabkitError that names what differs; with `retrained` the potential may differ.
    """

    def __init__(
        self, path: str | os.PathLike[str], mark: dict[str, Any], watchers: list[str], *, retrained: bool = False
    ) -> None:
        self.path, self.mark, self.watchers, self.retrained = Path(path), mark, watchers, retrained
        self.last: int | None = None

    def write(self, state: State, positions: list[Any]) -> None:
        """Store a state and the observers' positions: plain values, or dicts of these and of tensors."""
        tensors: dict[str, Tensor] = {n: t for n in _STATE if (t := getattr(state, n)) is not None}
        for scope in ("aux", "atom_aux"):
            tensors |= {f"{scope}.{name}": value for name, value in getattr(state, scope).items()}
        plain = []
        for number, position in enumerate(positions):
            values = position if isinstance(position, dict) else {"": position}
            tensors |= {f"observer.{number}.{k}": v for k, v in values.items() if isinstance(v, Tensor)}
            rest = {k: v for k, v in values.items() if not isinstance(v, Tensor)}
            plain.append(rest if isinstance(position, dict) else position)
        header = {
            "format": _FORMAT,
            "units": _UNITS,
            "run": self.mark,
            "step": state.loop_step,
            "observers": self.watchers,
            "positions": plain,
        }
        header["digest"] = tensors_digest({"labkit": json.dumps(header)}, tensors)
        # one entry: safetensors stores several in random order, and equal runs should have equal files
        atomic_tensors(self.path, tensors, {"labkit": json.dumps(header)})
        self.last = state.loop_step

    def read(self, like: State) -> Stored | None:
        """The stored state on the device of `like`, or None if there is no checkpoint."""
        if not self.path.exists():
            return None
        header, tensors = self._open(like.positions.device)
        theirs, ours = ({k: mark.get(k) for k in OF_POTENTIAL} for mark in (header["run"], self.mark))
        if self.retrained:
            header["run"] |= ours
        found = differences(header["run"], self.mark)
        found += differences(header["observers"], self.watchers, "observers")
        if found:
            raise LabkitError(
                f"{self.path}: is the checkpoint of another run: {'; '.join(found)}. Use the settings it was made "
                "with, give another checkpoint file, or start again with resume=False"
            )
        positions = header["positions"]
        for name in [n for n in tensors if n.startswith("observer.")]:
            _, number, key = name.split(".", 2)
            positions[int(number)][key] = tensors.pop(name)
        parts: dict[str, Any] = {name: tensors.get(name) for name in _STATE}
        for scope in ("aux", "atom_aux"):
            parts[scope] = {n.removeprefix(f"{scope}."): t for n, t in tensors.items() if n.startswith(f"{scope}.")}
        parts |= {name: tensors[name].cpu() for name in COUNTERS}
        self.last = header["step"]
        return Stored(like.replace(**parts), positions, theirs == ours)

    def clear(self, *, everything: bool) -> None:
        """Remove what a killed run left half-written and, with `everything`, the checkpoint itself."""
        leftovers = list(self.path.parent.glob(f".{self.path.name}.*.tmp"))
        for path in [*leftovers, *([self.path] if everything else [])]:
            with contextlib.suppress(OSError):  # a failure shows up when the next one is written
                path.unlink()

    def _open(self, device: torch.device) -> tuple[dict[str, Any], dict[str, Tensor]]:
        try:
            with safe_open(self.path, framework="pt", device=str(device)) as file:
                header = json.loads((file.metadata() or {}).get("labkit", "{}"))
                # cloned into aligned memory: products of tensors at odd addresses differ in the last bit
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError, json.JSONDecodeError) as error:
            raise LabkitError(
                f"{self.path}: is not a readable checkpoint ({error}); give another file, or start again with "
                "resume=False"
            ) from error
        if header.get("format") != _FORMAT:
            raise LabkitError(
                f"{self.path}: format is {header.get('format')!r}, expected {_FORMAT!r}; it is not a checkpoint of a "
                "run, or from another version of labkit: start again with resume=False or another file"
            )
        digest = header.pop("digest", None)
        if digest != tensors_digest({"labkit": json.dumps(header)}, tensors):
            raise LabkitError(
                f"{self.path}: is damaged: its numbers are not those that were written; give another file, or start "
                "again with resume=False"
            )
        return header, tensors
