"""Frames of beads with the forces on them: an observer that writes them, and its records.

A record of integers: step; place (the window) and walker (the configuration) of an exchange; beads (19, 3), CA
then CB, in 0.001 Å from the centre of the CA; ca_forces (10, 3) and cacb_forces (19, 3), mapped forces of both models
in 0.001 eV/Å, without the bias; energy of the atoms in eV, without the bias.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labkit.base import Evaluation, Observer, State
from labkit.engine import Run
from labkit.engine.observers.files import Growing
from labkit.engine.replica_exchange import WALKERS
from labkit.errors import LabkitError
from labkit.folding.umbrella import Umbrella

SCALE = 1e-3  # Å and eV/Å


def record_type(ca: int, cacb: int) -> np.dtype:
    """The dtype of a record for these numbers of beads of both models."""
    return np.dtype(
        [
            ("step", "<i4"), ("place", "<i2"), ("walker", "<i2"), ("energy", "<f4"), ("beads", "<i2", (cacb, 3)),
            ("ca_forces", "<i2", (ca, 3)), ("cacb_forces", "<i2", (cacb, 3)),
        ]
    )  # fmt: skip


class Frames(Observer):
    """Append a record of each replica to a file every `every` steps.

    path      of the file, which a resumed run truncates to the step that it continues from
    beads     atoms at CA, then at CB, as indices within a replica; maps of forces, (ca, n) and (ca + cb, n)
    umbrella  the bias, whose forces are excluded, or None

    Raises LabkitError, and writes nothing, if a number is too large for a record.
    """

    def __init__(
        self, path: str | os.PathLike[str], every: int, beads: torch.Tensor, maps: tuple[torch.Tensor, torch.Tensor],
        umbrella: Umbrella | None = None,
    ) -> None:  # fmt: skip
        self.path, self.every, self.beads, self.maps, self.umbrella = Path(path), every, beads, maps, umbrella
        self.type = record_type(*(len(m) for m in maps))

    @property
    def settings(self) -> dict[str, Any]:
        return {"beads": self.beads, "maps": self.maps, "umbrella": self.umbrella}

    def __call__(self, state: State, evaluation: Evaluation) -> None:
        replicas = state.system.n_systems
        forces, energy = evaluation.forces, evaluation.energy
        if self.umbrella is not None:
            bias = self.umbrella.evaluate(state)
            forces, energy = forces - bias.forces, energy - bias.energy
        positions = state.positions.view(replicas, -1, 3)[:, self.beads]
        positions = positions - positions[:, : len(self.maps[0])].mean(1, keepdim=True)
        mapped = [torch.einsum("mn,sna->sma", m, forces.view(replicas, -1, 3)) for m in self.maps]
        records = np.zeros(replicas, self.type)
        records["step"], records["place"], records["energy"] = state.loop_step, np.arange(replicas), energy.numpy()
        records["walker"] = state.aux[WALKERS].numpy() if WALKERS in state.aux else np.arange(replicas)
        for name, values in zip(("beads", "ca_forces", "cacb_forces"), (positions, *mapped), strict=True):
            rounded = np.round(values.numpy() / SCALE)
            if not np.abs(rounded).max() < 2**15:
                raise LabkitError(
                    f"{name}: {np.abs(rounded).max() * SCALE:g} does not fit a record, which holds up to 32"
                )
            records[name] = rounded
        with open(self.path, "ab") as file:
            file.write(records.tobytes())

    def start(self, run: Run) -> None:
        self.path.write_bytes(b"")

    def position(self) -> dict[str, Any]:
        file = Growing(self.path)
        length = self.path.stat().st_size
        return {"bytes": length, "tail": file.tail(length)}

    def rewind(self, position: Any, run: Run) -> None:
        known = position if isinstance(position, dict) else {"bytes": position, "tail": None}  # of an earlier version
        file = Growing(self.path)
        file.check(known["bytes"], known["tail"])
        file.cut(known["bytes"])


def read_frames(path: str | os.PathLike[str], ca: int = 10, cacb: int = 19) -> np.ndarray:
    """The records of a file; raises LabkitError if the last one is incomplete."""
    data = Path(path).read_bytes()
    kind = record_type(ca, cacb)
    if len(data) % kind.itemsize:
        raise LabkitError(f"{path}: {len(data)} bytes are not a multiple of a record of {kind.itemsize} bytes")
    return np.frombuffer(data, kind)
