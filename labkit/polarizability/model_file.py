"""Tensor models and committees in one safetensors file: tensors, every setting, units, data hash and version."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from labkit.files import read_tensors, whole_header, write_model
from labkit.polarizability.committee import TensorCommittee
from labkit.polarizability.descriptor import TensorDescriptor
from labkit.polarizability.environments import Environments
from labkit.polarizability.model import TensorModel
from labkit.polarizability.module import TensorModule
from labkit.polarizability.settings import Settings
from labkit.regression import Posterior

_MODEL, _COMMITTEE = "labkit tensor model 1", "labkit tensor committee 1"
Made = TypeVar("Made", bound=TensorModule)


def save_model(model: TensorModel, path: str | os.PathLike[str], *, spread: bool = True) -> None:
    """Write the model to a file beside `path`, then rename it."""
    tensors: dict[str, Tensor] = {}
    for degree, posterior in model.posterior.items():
        tensors[f"weights.{degree}"] = posterior.weights
        few = slice(None) if spread else slice(0)
        tensors |= {f"basis.{degree}": posterior.basis[:, few], f"total.{degree}": posterior.total[few]}
    numbers = {str(d): [p.size, p.log_evidence] for d, p in model.posterior.items()}
    _save(model, path, _MODEL, tensors, posterior=numbers)


def load_model(path: str | os.PathLike[str], device: torch.device) -> TensorModel:
    """Read a model; its tensors must fit its own settings."""

    def made(header: dict[str, str], tensors: dict[str, Tensor], shared: tuple, degrees: list[int]) -> TensorModel:
        numbers = json.loads(header["posterior"])
        posterior = {
            d: Posterior(*(tensors[f"{name}.{d}"] for name in ("weights", "basis", "total")), *numbers[str(d)])
            for d in degrees
        }
        return TensorModel(*shared, posterior, tensors["mean"], json.loads(header["metadata"]))

    return _load(path, device, _MODEL, "tensor model", made)


def save_committee(committee: TensorCommittee, path: str | os.PathLike[str]) -> None:
    """Write the committee to a file beside `path`, then rename it."""
    _save(committee, path, _COMMITTEE, {f"weights.{d}": w for d, w in committee.weights.items()})


def load_committee(path: str | os.PathLike[str], device: torch.device) -> TensorCommittee:
    """Read a committee; its tensors must fit its own settings."""

    def made(header: dict[str, str], tensors: dict[str, Tensor], shared: tuple, degrees: list[int]) -> TensorCommittee:
        weights = {d: tensors[f"weights.{d}"] for d in degrees}
        return TensorCommittee(*shared, weights, tensors["mean"], json.loads(header["metadata"]))

    return _load(path, device, _COMMITTEE, "tensor committee", made)


def _save(made: TensorModule, path: str | os.PathLike[str], form: str, tensors: dict[str, Tensor], **more: Any) -> None:
    points = made.points
    tensors = {"mean": made.mean, "numbers": points.numbers, "group": points.group, "weight": points.weight} | tensors
    for degree, p in points.features.items():
        tensors |= {f"points.{degree}": p, f"features.{degree}": made.descriptor.features[degree]}
    settings, metadata = made.settings.to_dict(), made.metadata
    write_model(path, form, f"{made.target.unit}; Å", tensors, settings=settings, metadata=metadata, **more)


def _load(
    path: str | os.PathLike[str], device: torch.device, form: str, what: str, make: Callable[[Any, Any, Any, Any], Made]
) -> Made:
    path = Path(path)
    header, tensors = read_tensors(path, form, what, device)
    with whole_header(path):
        settings = Settings.from_dict(json.loads(header["settings"]))
        features = {d: tensors[f"features.{d}"].tolist() for d in settings.degrees}
        descriptor = TensorDescriptor(settings, features).to(device)
        points = Environments(
            tensors["numbers"],
            torch.zeros_like(tensors["numbers"]),  # frames matter in training only
            tensors["group"],
            tensors["weight"],
            {d: tensors[f"points.{d}"] for d in settings.degrees},
        )
        return make(header, tensors, (descriptor, points), list(settings.target.parts))
