"""A tensor model in one safetensors file: tensors, and a header with every setting, unit, data hash and version."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch

import labkit
from labkit.errors import LabkitError
from labkit.files import atomic_tensors, read_tensors, tensors_digest
from labkit.polarizability.environments import Environments, TensorDescriptor
from labkit.polarizability.model import TensorModel
from labkit.polarizability.settings import Settings
from labkit.regression import Posterior

_FORMAT = "labkit tensor model 1"


def save(model: TensorModel, path: str | os.PathLike[str], *, spread: bool = True) -> None:
    """Write the model beside `path`, then rename."""
    points = model.points
    tensors = {"mean": model.mean, "numbers": points.numbers, "group": points.group, "weight": points.weight}
    for degree, p in points.features.items():
        tensors[f"points.{degree}"] = p
        tensors[f"features.{degree}"] = model.descriptor.features[degree]
    for degree, posterior in model.posterior.items():
        tensors[f"weights.{degree}"] = posterior.weights
        few = slice(None) if spread else slice(0)
        tensors |= {f"basis.{degree}": posterior.basis[:, few], f"total.{degree}": posterior.total[few]}
    header = {
        "format": _FORMAT,
        "labkit": labkit.__version__,
        "units": f"{model.target.unit}; Å",
        "settings": json.dumps(model.settings.to_dict()),
        "posterior": json.dumps({str(d): [p.size, p.log_evidence] for d, p in model.posterior.items()}),
        "metadata": json.dumps(model.metadata),
    }
    header["digest"] = tensors_digest(header, tensors)
    atomic_tensors(path, tensors, header)


def load(path: str | os.PathLike[str], device: torch.device) -> TensorModel:
    """Read a model; its tensors must fit its own settings."""
    path = Path(path)
    header, tensors = read_tensors(path, _FORMAT, "tensor model", device)
    try:
        settings = Settings.from_dict(json.loads(header["settings"]))
        numbers = json.loads(header["posterior"])
        features = {d: tensors[f"features.{d}"].tolist() for d in settings.degrees}
        descriptor = TensorDescriptor(settings, features).to(device)
        points = Environments(
            tensors["numbers"],
            torch.zeros_like(tensors["numbers"]),  # frames matter in training only
            tensors["group"],
            tensors["weight"],
            {d: tensors[f"points.{d}"] for d in settings.degrees},
        )
        posterior = {
            d: Posterior(*(tensors[f"{name}.{d}"] for name in ("weights", "basis", "total")), *numbers[str(d)])
            for d in settings.target.parts
        }
        return TensorModel(descriptor, points, posterior, tensors["mean"], json.loads(header["metadata"]))
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise LabkitError(f"{path}: the header lacks or garbles a setting ({error}); save the model again") from error
