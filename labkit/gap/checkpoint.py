"""Rows on disk while a design is built, so that a killed run loses at most one batch."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

import labkit
from labkit.config import config
from labkit.errors import LabkitError
from labkit.files import atomic_tensors, atomic_write, read_tensors, sealed, whole_content
from labkit.gap.frame_noise import config_types
from labkit.gap.model_file import fill
from labkit.gap.rows import Rows
from labkit.gap.terms import n_sparse_of_kinds
from labkit.leftovers import remove_leftovers

if TYPE_CHECKING:
    from labkit.gap.design import Design

_ROWS, _POINTS = "labkit rows 1", "labkit sparse points 1"
_NAMES = re.compile(r"(train|valid)-\d+\.safetensors|points\.safetensors|design\.json|\..*")


class RowCheckpoint:
    """A folder of batches of rows; its fingerprint holds the settings (except the sigmas) and the hashes of the data.

    Each file has a digest, its shapes and this fingerprint: what does not fit is computed again and replaced.
    Raises LabkitError if the folder belongs to another design, or holds other files; nothing is overwritten.
    """

    def __init__(self, folder: str | os.PathLike[str], design: Design) -> None:
        self.folder, self.mark = Path(folder), fingerprint(design)
        path = self.folder / "design.json"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabkitError(f"{self.folder}: the checkpoint folder cannot be made ({error.strerror})") from error
        remove_leftovers(self.folder)
        written = _written(path)
        if written not in (None, self.mark):
            raise LabkitError(
                f"{self.folder}: holds the rows of other data or settings; choose another folder or delete it"
            )
        if written is None and not is_of_rows(self.folder):
            raise LabkitError(f"{self.folder}: is not empty and holds no design; choose an empty checkpoint folder")
        if written is None:
            atomic_write(path, json.dumps({"fingerprint": self.mark, "labkit": labkit.__version__}))

    def read(self, name: str, first: int, shapes: Mapping[str, tuple[int, ...]]) -> Rows | None:
        """Rows of the batch that begins with frame `first`; None if they are not there, damaged or of other shapes."""
        path = self._path(name, first)
        try:
            header, tensors = read_tensors(path, _ROWS, "batch of rows", "cpu")
        except (LabkitError, OSError):
            return None
        if header.get("batch") != self._batch(path) or {k: tuple(t.shape) for k, t in tensors.items()} != shapes:
            return None
        return Rows(tensors["energy"], tensors["force"], tensors.get("virial"))

    def write(self, name: str, first: int, rows: Rows) -> None:
        kept = {"energy": rows.energy, "force": rows.force, "virial": rows.virial}
        path, tensors = self._path(name, first), {k: t for k, t in kept.items() if t is not None}
        atomic_tensors(path, tensors, sealed({"format": _ROWS, "batch": self._batch(path)}, tensors))

    def read_points(self, terms: torch.nn.ModuleList) -> list[str] | None:
        """Give the terms the sparse points chosen before, if they were; return the notes made then."""
        path = self.folder / "points.safetensors"
        try:
            header, points = read_tensors(path, _POINTS, "set of sparse points", config().device)
            if header.get("batch") != self._batch(path):
                return None
            with whole_content(path):
                notes = json.loads(header["notes"])
                if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
                    return None
                fill(path, terms, points)
                return notes
        except (LabkitError, OSError):
            return None  # chosen again

    def write_points(self, terms: torch.nn.ModuleList, notes: list[str]) -> None:
        path = self.folder / "points.safetensors"
        chosen = {k: v for k, v in terms.named_buffers() if ".points_" in k or k.endswith(".theta")}
        header = {"format": _POINTS, "batch": self._batch(path), "notes": json.dumps(notes)}
        atomic_tensors(path, chosen, sealed(header, chosen))

    def _batch(self, path: Path) -> str:
        """What a file holds, and of which design."""
        return f"{path.stem} of {self.mark}"

    def _path(self, name: str, first: int) -> Path:
        return self.folder / f"{name}-{first:06d}.safetensors"


def is_of_rows(folder: Path) -> bool:
    """Whether a folder holds nothing but what a RowCheckpoint writes: all of it, some or none."""
    return all(_NAMES.fullmatch(path.name) for path in folder.iterdir())


def fingerprint(design: Design) -> str:
    """What rows depend on: the data, and all settings except the values of the sigmas.

    A Dataset's hash leaves out the kinds of frames; they count if sparse points are chosen by kind.
    """
    settings = design.config.to_dict()
    used = [settings.pop(key) is not None for key in ("sigma_force", "sigma_virial")]
    settings.pop("sigma_energy")
    valid = None if design.valid is None else design.valid.hash
    parts = [settings, used, design.train.hash, valid, labkit.__version__]
    if any(map(n_sparse_of_kinds, design.config.descriptors)):
        parts.append(config_types(design.train, design.config))
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _written(path: Path) -> str | None:
    """The fingerprint of a folder; None if it has none, or a damaged one: the files have their own."""
    try:
        return str(json.loads(path.read_text())["fingerprint"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
