"""Rows on disk while a design is built, so that a killed run loses at most one batch."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

import labkit
from labkit.config import config
from labkit.errors import LabkitError
from labkit.files import atomic_tensors, atomic_write
from labkit.gap.rows import Rows

if TYPE_CHECKING:
    from labkit.gap.design import Design


class RowCheckpoint:
    """A folder of batches of rows; its fingerprint holds the settings (except the sigmas) and the hashes of the data.

    Raises LabkitError if the folder belongs to another design; nothing is overwritten.
    """

    def __init__(self, folder: str | os.PathLike[str], design: Design) -> None:
        self.folder = Path(folder)
        mark = self.folder / "design.json"
        found = fingerprint(design)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabkitError(f"{self.folder}: the checkpoint folder cannot be made ({error.strerror})") from error
        if mark.exists():
            try:
                written = json.loads(mark.read_text()).get("fingerprint")
            except (ValueError, AttributeError) as error:
                raise LabkitError(f"{mark}: is damaged; delete the checkpoint folder or choose another one") from error
            if written != found:
                raise LabkitError(
                    f"{self.folder}: holds the rows of other data or settings; choose another folder or delete it"
                )
        elif any(not path.name.startswith(".") for path in self.folder.iterdir()):
            raise LabkitError(f"{self.folder}: is not empty and holds no design; choose an empty checkpoint folder")
        else:
            atomic_write(mark, json.dumps({"fingerprint": found, "labkit": labkit.__version__}))

    def read(self, name: str, first: int) -> Rows | None:
        """Rows of the batch that begins with frame `first`, or None if they are not there."""
        path = self._path(name, first)
        if not path.exists():
            return None
        try:
            tensors = load_file(path)
        except SafetensorError:
            return None  # computed again
        return Rows(tensors["energy"], tensors["force"], tensors.get("virial"))

    def write(self, name: str, first: int, rows: Rows) -> None:
        tensors = {"energy": rows.energy, "force": rows.force, "virial": rows.virial}
        atomic_tensors(self._path(name, first), {k: t for k, t in tensors.items() if t is not None})

    def read_points(self, terms: torch.nn.ModuleList) -> list[str] | None:
        """Give the terms the sparse points chosen before, if they were; return the notes made then."""
        path = self.folder / "points.safetensors"
        try:
            with safe_open(path, "pt") as file:
                notes = json.loads(file.metadata()["notes"])
                points = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (OSError, SafetensorError):
            return None  # chosen again
        for name, tensor in points.items():
            owner, _, last = name.rpartition(".")
            # cloned: at the unaligned addresses of a mapped file the last bits of products differ
            terms.get_submodule(owner).register_buffer(last, tensor.clone().to(config().device))
        return notes

    def write_points(self, terms: torch.nn.ModuleList, notes: list[str]) -> None:
        chosen = {k: v for k, v in terms.named_buffers() if ".points_" in k or k.endswith(".theta")}
        atomic_tensors(self.folder / "points.safetensors", chosen, {"notes": json.dumps(notes)})

    def _path(self, name: str, first: int) -> Path:
        return self.folder / f"{name}-{first:06d}.safetensors"


def fingerprint(design: Design) -> str:
    """What rows depend on: the data, and all settings except the values of the sigmas."""
    settings = design.config.to_dict()
    used = [settings.pop(key) is not None for key in ("sigma_force", "sigma_virial")]
    settings.pop("sigma_energy")
    valid = None if design.valid is None else design.valid.hash
    text = json.dumps([settings, used, design.train.hash, valid, labkit.__version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
