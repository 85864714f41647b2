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

from labkit.errors import LabkitError
from labkit.files import expect_tensor, read_tensors, whole_content, write_model
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

    def columns(self, name: str, degree: int, *more: int | None) -> Tensor:
        """The tensor of this name and degree λ, checked to have the rows of the points and `more` dimensions."""
        rows = self.points.n_groups * (2 * degree + 1)
        return expect_tensor(f"{name}.{degree}", self.tensors.get(f"{name}.{degree}"), rows, *more)

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
    with whole_content(path):
        settings = Settings.from_dict(json.loads(header["settings"]))
        metadata = json.loads(header["metadata"])
        if not isinstance(metadata, dict) or metadata.get("periodic", "") not in (True, False, None):
            raise LabkitError(f"its metadata {header['metadata']:.80} do not say whether its frames are periodic")
        names = [f"features.{d}" for d in settings.degrees]
        features = {d: expect_tensor(name, tensors[name], None, whole=True).tolist()
                    for d, name in zip(settings.degrees, names, strict=True)}  # fmt: skip
        numbers = expect_tensor("numbers", tensors["numbers"], None, whole=True)
        count, group = len(numbers), expect_tensor("group", tensors["group"], len(numbers), whole=True)
        if not count or bool((group >= count).any()):
            raise LabkitError(f"its {count} points belong to groups with numbers from {count}")
        for d in settings.degrees:
            expect_tensor(f"points.{d}", tensors[f"points.{d}"], count, 2 * d + 1, len(features[d]))
        points = Environments(
            numbers,
            torch.zeros_like(numbers),  # frames matter in training only
            group,
            expect_tensor("weight", tensors["weight"], count),
            {d: tensors[f"points.{d}"] for d in settings.degrees},
        )
        yield ModuleFile(TensorDescriptor(settings, features).to(device), points, tensors, header)
