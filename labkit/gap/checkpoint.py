"""Rows on disk while a design is built, so that a killed run loses at most one batch."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import labkit
from labkit.errors import LabkitError
from labkit.files import atomic_path, atomic_write
from labkit.gap.rows import Rows

if TYPE_CHECKING:
    from labkit.gap.design import Design


class Checkpoint:
    """A folder of batches of rows; its fingerprint holds the settings (but the sigmas) and the hashes of the data.

    Raises LabkitError if the folder belongs to another design: nothing is overwritten.
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
            if json.loads(mark.read_text()).get("fingerprint") != found:
                raise LabkitError(
                    f"{self.folder}: holds the rows of other data or settings; give another folder or delete it"
                )
        elif any(self.folder.iterdir()):
            raise LabkitError(f"{self.folder}: is not empty and holds no design; give an empty checkpoint folder")
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
        self._save(self._path(name, first), tensors)

    def read_points(self, terms: torch.nn.ModuleList) -> bool:
        """Give the terms the sparse points that were chosen before the interruption, if they had been."""
        path = self.folder / "points.safetensors"
        if not path.exists():
            return False
        for name, tensor in load_file(path).items():
            owner, _, last = name.rpartition(".")
            # cloned: at the odd addresses of a mapped file the last bits of products differ
            terms.get_submodule(owner).register_buffer(last, tensor.clone())
        return True

    def write_points(self, terms: torch.nn.ModuleList) -> None:
        self._save(
            self.folder / "points.safetensors",
            {k: v for k, v in terms.named_buffers() if ".points_" in k or k.endswith(".theta")},
        )

    def _path(self, name: str, first: int) -> Path:
        return self.folder / f"{name}-{first:06d}.safetensors"

    def _save(self, path: Path, tensors: dict[str, torch.Tensor | None]) -> None:
        kept = {name: tensor.cpu().contiguous() for name, tensor in tensors.items() if tensor is not None}
        with atomic_path(path) as temporary:
            save_file(kept, temporary)


def fingerprint(design: Design) -> str:
    """What rows depend on: all settings but the sizes of the sigmas, and the data."""
    from labkit.gap.model_file import config_to_dict

    config = config_to_dict(design.config)
    used = {
        "forces": config.pop("sigma_force") is not None,
        "virials": config.pop("sigma_virial") is not None,
    }
    config.pop("sigma_energy")
    valid = None if design.valid is None else design.valid.hash
    text = json.dumps([config, used, design.train.hash, valid, labkit.__version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
