"""A neural potential in one safetensors file: weights, and a header with settings, species, units and version."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from labkit.errors import LabkitError
from labkit.files import expect_tensor, read_tensors, write_model
from labkit.neural.config import NeuralConfig

FORMAT = "labkit neural 1"


def write_neural(
    path: str | os.PathLike[str],
    tensors: dict[str, Tensor],
    *,
    config: NeuralConfig,
    species: Sequence[str],
    metadata: Mapping[str, Any],
) -> None:
    """Write a potential atomically. Raises LabkitError if its weights are not finite."""
    write_model(path, FORMAT, "eV, Å", tensors, config=config.to_dict(), species=list(species), metadata=dict(metadata))


def read_neural(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What NeuralPotential is built with, and its tensors."""
    header, tensors = read_tensors(path, FORMAT, "neural potential", "cpu")
    species = [str(name) for name in json.loads(header["species"])]
    e0 = expect_tensor("e0", tensors.get("e0"), len(species))
    settings = {
        "config": NeuralConfig.from_dict(json.loads(header["config"])),
        "species": species,
        "e0": dict(zip(species, e0.tolist(), strict=True)),
        "scale": float(expect_tensor("scale", tensors.get("scale"))),
        "metadata": json.loads(header["metadata"]),
    }
    return settings, tensors


def check_weights(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], network: str) -> None:
    """Raise LabkitError, naming the tensor, if these are not the weights of such a network."""
    wrong = sorted(set(expected) ^ set(found))
    if wrong:
        raise LabkitError(f"{', '.join(wrong[:3])}: tensors that a {network} has not, or that are missing")
    for name, tensor in expected.items():
        expect_tensor(name, found[name], *tensor.shape)
