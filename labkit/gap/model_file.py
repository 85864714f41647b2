"""A GAP in one safetensors file: tensors, and a header with every setting, units, data hash and version."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from labkit.config import config as run_config
from labkit.errors import LabkitError
from labkit.files import read_tensors, whole_header, write_model
from labkit.gap.config import GapConfig
from labkit.gap.sparse import make_terms

_FORMAT = "labkit GAP 1"
_UNITS = "eV, Å"


def write_gap(path: str | os.PathLike[str], tensors: dict[str, Tensor], *, config: GapConfig, **settings: Any) -> None:
    """Write a GAP's tensors and settings (species, e0, metadata) beside `path`, then rename."""
    write_model(path, _FORMAT, _UNITS, tensors, config=config.to_dict(), **settings)


def read_gap(path: str | os.PathLike[str]) -> tuple[nn.ModuleList, dict[str, Tensor | None], dict[str, Any]]:
    """Read the terms with their sparse points, the tensors weights, prior and factor, and the settings; all must fit.

    Raises LabkitError for a missing, truncated or inconsistent file.
    """
    path = Path(path)
    header, tensors = read_tensors(path, _FORMAT, "GAP", run_config().device)
    with whole_header(path):
        config = GapConfig.from_dict(json.loads(header["config"]))
        terms = make_terms(config, json.loads(header["species"]))
        e0, metadata = json.loads(header["e0"]), json.loads(header["metadata"])
        weights = tensors.pop("weights")
    prior, factor = tensors.pop("prior", None), tensors.pop("factor", None)
    fill(path, terms, {name.removeprefix("terms."): tensor for name, tensor in tensors.items()})
    columns = sum(term.columns for term in terms)
    if len(weights) != columns:
        raise LabkitError(
            f"{path}: {len(weights)} weights for {columns} sparse points; the file contradicts its settings"
        )
    found = {"weights": weights, "prior": prior, "factor": factor}
    return terms.to(weights.device), found, {"config": config, "e0": e0, "metadata": metadata}


def fill(path: Path, terms: nn.ModuleList, tensors: dict[str, Tensor]) -> None:
    """Give terms their tensors, whose names and shapes must be those of the settings."""
    buffers = dict(terms.named_buffers())
    for name, tensor in tensors.items():
        if name not in buffers:
            raise LabkitError(f"{path}: holds {name!r}, which its settings have no place for; they were changed")
        expected, found = tuple(buffers[name].shape), tuple(tensor.shape)
        grows = ".points_" in name  # the number of sparse points is known only from the file
        if (expected[1:] != found[1:]) if grows else (expected != found):
            raise LabkitError(
                f"{path}: {name} has shape {found}, its settings require {expected}; the model was made with other "
                "hyperparameters than its header says"
            )
        owner, _, last = name.rpartition(".")
        terms.get_submodule(owner).register_buffer(last, tensor)
