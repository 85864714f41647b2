"""A learned mobility in one safetensors file: weights, and a header with every setting, unit and version."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from labkit.errors import LabkitError
from labkit.files import expect_tensor, read_tensors, whole_content, write_model
from labkit.mobility.learned import MODELS, Mobility, model_of

_FORMAT = "labkit mobility 1"


def save_mobility(model: Mobility, path: str | os.PathLike[str], metadata: Mapping[str, Any] | None = None) -> None:
    """Write a learned mobility to `path`, completely or not at all. `metadata`: what it was trained on, as JSON.

    Raises LabkitError for a mobility that is not a learned one, and for a file that cannot be written.
    """
    kinds = {kind for kind, made in MODELS.items() if type(model) is made}
    if not kinds:
        raise LabkitError(f"{type(model).__name__} is not a learned mobility; only {list(MODELS)} models have weights")
    header = {"kind": kinds.pop(), "settings": model.settings, "metadata": dict(metadata or {})}
    write_model(path, _FORMAT, "Å²/(eV fs); Å", model.state_dict(), **header)


def load_mobility(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> Mobility:
    """Read a learned mobility; its weights must fit its own settings.

    Raises LabkitError for a file that is missing, truncated, of another format, or changed.
    """
    path = Path(path)
    header, tensors = read_tensors(path, _FORMAT, "learned mobility", device)
    with whole_content(path):
        model = model_of(header["kind"], json.loads(header["settings"])).to(device)
        for name, tensor in model.state_dict().items():
            expect_tensor(name, tensors.get(name), *tensor.shape)
        model.load_state_dict(tensors)
    return model
