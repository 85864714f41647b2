"""Tensor models and committees in one safetensors file: tensors, every setting, units, data hash and version."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labkit.files import read_tensors, whole_header, write_model
from labkit.polarizability.descriptor import TensorDescriptor
from labkit.polarizability.environments import Environments
from labkit.polarizability.module import TensorModule
from labkit.polarizability.settings import Settings


@dataclass(frozen=True, eq=False)
class ModuleFile:
    """What such a file holds: descriptor and points of the module, and its own tensors (on the device) and header."""

    descriptor: TensorDescriptor
    points: Environments
    tensors: dict[str, Tensor]
    header: dict[str, str]

    @property
    def degrees(self) -> list[int]:
        return list(self.descriptor.settings.target.parts)

    @property
    def metadata(self) -> dict[str, Any]:
        return json.loads(self.header["metadata"])


def write_module(
    module: TensorModule, path: str | os.PathLike[str], form: str, tensors: dict[str, Tensor], **header: Any
) -> None:
    """Write a module, with further tensors and header entries of its class, beside `path`, then rename."""
    points = module.points
    tensors = {"mean": module.mean, "numbers": points.numbers, "group": points.group, "weight": points.weight} | tensors
    for degree, p in points.features.items():
        tensors |= {f"points.{degree}": p, f"features.{degree}": module.descriptor.features[degree]}
    settings, metadata = module.settings.to_dict(), module.metadata
    write_model(path, form, f"{module.target.unit}; Å", tensors, settings=settings, metadata=metadata, **header)


@contextmanager
def read_module(path: str | os.PathLike[str], form: str, what: str, device: torch.device) -> Iterator[ModuleFile]:
    """Read what `write_module` wrote; LabkitError, naming the file, for what is missing, here or in the block."""
    path = Path(path)
    header, tensors = read_tensors(path, form, what, device)
    with whole_header(path):
        settings = Settings.from_dict(json.loads(header["settings"]))
        features = {d: tensors[f"features.{d}"].tolist() for d in settings.degrees}
        points = Environments(
            tensors["numbers"],
            torch.zeros_like(tensors["numbers"]),  # frames matter in training only
            tensors["group"],
            tensors["weight"],
            {d: tensors[f"points.{d}"] for d in settings.degrees},
        )
        yield ModuleFile(TensorDescriptor(settings, features).to(device), points, tensors, header)
