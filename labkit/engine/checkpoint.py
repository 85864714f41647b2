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

from labkit.base import Potential, State
from labkit.base.state import COUNTERS
from labkit.engine.fingerprint import OF_POTENTIAL, differences, shared
from labkit.engine.start import Start, packed, unpacked
from labkit.errors import LabkitError
from labkit.files import atomic_tensors, shapes, tensors_digest, whole_content
from labkit.leftovers import remove_leftovers

_FORMAT, _EARLIER = "labkit run 3", "labkit run 2"
_UNITS = "eV, Å, fs, u, K, e"
ADVICE = "give another file, or start again with resume=False"
_STATE = ("positions", "velocities", "forces", "cell", "energy", "step", "seed")


@dataclass(frozen=True, eq=False)
class Stored:
    """The content of a checkpoint: the state, and the position of each observer (see `Checkpoint.write`)."""

    state: State
    positions: list[Any]
    same_potential: bool = True
    note: str = ""


class Checkpoint:
    """One safetensors file that belongs to one run; `mark` is the run's fingerprint.

    A checkpoint of another start, system, potential, integrator, timestep, seed or version of labkit, or with other
    observers, is refused with a LabkitError that names what differs; with `retrained` the potential may differ. A run
    that was given the state of the checkpoint itself continues it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mark: dict[str, Any],
        watchers: list[str],
        start: Start,
        *,
        retrained: bool = False,
    ) -> None:
        self.path, self.mark, self.watchers, self.retrained = Path(path), mark, watchers, retrained
        self.start, self.probe = start, None
        self.last: int | None = None

    @staticmethod
    def last_state(path: str | os.PathLike[str], like: State) -> State:
        """The state in a checkpoint, whichever run it is of; `like` has the same system.

        Raises LabkitError for a file that is damaged or no checkpoint, and for another number of atoms.
        """
        with whole_content(Path(path), ADVICE):
            _, tensors = _opened(Path(path), like.positions.device)
            return _state(tensors, like, Path(path))

    def write(self, state: State, positions: list[Any]) -> None:
        """Store a state and the observers' positions: plain values, or dicts of these and of tensors."""
        tensors, first = packed(self.start, self.probe)
        tensors |= {n: t for n in _STATE if (t := getattr(state, n)) is not None}
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
            "start": first,
            "shapes": shapes(tensors),
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
        with whole_content(self.path, ADVICE):
            return self._read(like)

    def _read(self, like: State) -> Stored:
        header, tensors = _opened(self.path, like.positions.device)
        earlier = header["format"] == _EARLIER
        expected = shared(header["run"], self.mark) if earlier else self.mark
        theirs, ours = ({k: mark.get(k) for k in OF_POTENTIAL} for mark in (header["run"], expected))
        if self.retrained:
            header["run"] |= ours
        found = differences(header["run"], expected)
        found += differences(header["observers"], self.watchers, "observers")
        if not earlier:
            start, self.probe = unpacked(tensors, header["start"])
        stored = None if found else _state(tensors, like, self.path)
        if stored is not None and not earlier and Start.of(stored).differences(self.start):  # not continued from there
            found = start.differences(self.start)
        if found:
            raise LabkitError(
                f"{self.path}: is the checkpoint of another run: {'; '.join(found)}. Use the settings it was made "
                "with, give another checkpoint file, or start again with resume=False"
            )
        positions = header["positions"]
        for name in [n for n in tensors if n.startswith("observer.")]:
            _, number, key = name.split(".", 2)
            positions[int(number)][key] = tensors.pop(name)
        if stored.forces is None or stored.energy is None:
            raise LabkitError(f"{self.path}: forces or energies of its last step are missing; {ADVICE}")
        self.last = stored.loop_step
        return Stored(stored, positions, theirs == ours, self._note(header) if earlier else "")

    def knows(self, like: State, potential: Potential) -> bool:
        """Whether what other programs compute of the potential is as it was; if not, it must be `retrained`."""
        off = self.probe.differs(like, potential) if self.probe is not None else ""
        if off and not self.retrained:
            raise LabkitError(
                f"{self.path}: is the checkpoint of another run: its potential gave other {off} at the start; use the "
                "calculator and the settings it was made with, give another checkpoint file, or start again with "
                "resume=False"
            )
        return not off

    def _note(self, header: dict[str, Any]) -> str:
        return (
            f"{self.path}: continued from step {header['step']}. This checkpoint of an earlier labkit does not say "
            "where its run started, nor all settings of its potential and observers: make sure that they are the same"
        )

    def clear(self, *, everything: bool) -> None:
        """Remove what a killed run left half-written and, with `everything`, the checkpoint itself."""
        remove_leftovers(self.path.parent, self.path.name)
        if everything:
            with contextlib.suppress(OSError):  # a failure shows up when the next one is written
                self.path.unlink()


def _opened(path: Path, device: torch.device) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            header = json.loads((file.metadata() or {}).get("labkit", "{}"))
            # cloned into aligned memory: products of tensors at odd addresses differ in the last bit
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise LabkitError(
            f"{path}: is not a readable checkpoint ({error}); give another file, or start again with resume=False"
        ) from error
    if not isinstance(header, dict) or header.get("format") not in (_FORMAT, _EARLIER):
        raise LabkitError(
            f"{path}: format is {dict(header).get('format')!r:.60}, expected {_FORMAT!r}; it is not a checkpoint of a "
            "run, or from another version of labkit: start again with resume=False or another file"
        )
    digest = header.pop("digest", None)
    whole = digest == tensors_digest({"labkit": json.dumps(header)}, tensors)
    if not whole or header.get("shapes", shapes(tensors)) != shapes(tensors):
        raise LabkitError(
            f"{path}: is damaged: its numbers are not those that were written; give another file, or start "
            "again with resume=False"
        )
    return header, tensors


def _state(tensors: dict[str, Tensor], like: State, path: Path) -> State:
    """The state among the tensors of a file."""
    parts: dict[str, Any] = {name: tensors.get(name) for name in _STATE}
    for scope in ("aux", "atom_aux"):
        parts[scope] = {n.removeprefix(f"{scope}."): t for n, t in tensors.items() if n.startswith(f"{scope}.")}
    parts |= {name: tensors[name].cpu() for name in COUNTERS}
    for name in ("positions", "velocities", "cell"):
        if parts[name] is None or parts[name].shape != getattr(like, name).shape:
            there = None if parts[name] is None else tuple(parts[name].shape)
            raise LabkitError(f"{path}: {name} are {there}, this run's system has {tuple(getattr(like, name).shape)}")
    counts = {"forces": like.positions, "energy": like.cell[:, 0, 0], "step": like.step, "seed": like.seed}
    for name, model in counts.items():
        value = parts[name]
        if value is not None and (value.shape != model.shape or value.is_floating_point() != model.is_floating_point()):
            raise LabkitError(f"{path}: {name} has the shape {tuple(value.shape)} and {value.dtype}")
    for name in ("positions", "velocities", "cell"):
        if parts[name].dtype not in (torch.float32, torch.float64):
            raise LabkitError(f"{path}: {name} are of {parts[name].dtype}, expected numbers with a fraction")
    return like.replace(**parts)
