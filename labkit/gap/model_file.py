"""A GAP in one safetensors file: tensors, and a header with every setting, units, data hash and version."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ase.data import atomic_numbers
from torch import Tensor, nn

from labkit.config import config as run_config
from labkit.errors import LabkitError
from labkit.files import expect_tensor, read_tensors, whole_content, write_model
from labkit.gap.config import GapConfig
from labkit.gap.sparse import make_terms

_FORMAT = "labkit GAP 1"
_UNITS = "eV, Å"
SHORTEST = 1e-4  # Å, of a theta


def write_gap(path: str | os.PathLike[str], tensors: dict[str, Tensor], *, config: GapConfig, **settings: Any) -> None:
    """Write a GAP's tensors and settings (species, e0, metadata) beside `path`, then rename."""
    write_model(path, _FORMAT, _UNITS, tensors, config=config.to_dict(), **settings)


def read_gap(path: str | os.PathLike[str]) -> tuple[nn.ModuleList, dict[str, Tensor | None], dict[str, Any]]:
    """Read the terms with their sparse points, the tensors weights, prior and factor, and the settings; all must fit.

    Raises LabkitError for a missing, truncated or inconsistent file.
    """
    path = Path(path)
    header, tensors = read_tensors(path, _FORMAT, "GAP", run_config().device)
    with whole_content(path):
        config = GapConfig.from_dict(json.loads(header["config"]))
        e0, metadata = _energies(json.loads(header["e0"])), dict(json.loads(header["metadata"]))
        species = sorted(atomic_numbers[symbol] for symbol in e0)
        if json.loads(header["species"]) != species:
            raise LabkitError(f"its species {header['species']:.80} are not those of its e0 {e0}")
        terms = make_terms(config, species)
        found = {name: tensors.pop(name, None) for name in ("weights", "prior", "factor")}
        fill(path, terms, {name.removeprefix("terms."): tensor for name, tensor in tensors.items()})
        columns, device = sum(term.columns for term in terms), found["weights"].device
        expect_tensor("weights", found["weights"], columns)
        if (found["prior"] is None) != (found["factor"] is None):
            raise LabkitError("it has one of prior and factor, which belong together")
        for name in ("prior", "factor"):
            if found[name] is not None:
                expect_tensor(name, found[name], columns, columns)
        return terms.to(device), found, {"config": config, "e0": e0, "metadata": metadata}


def _energies(e0: Any) -> dict[str, float]:
    """e0 as it is in a file, by symbol, checked as those of settings are."""
    found = GapConfig(e0=e0).e0
    if not found or 0 in (atomic_numbers[symbol] for symbol in found):
        raise LabkitError(f"e0 is {e0!r:.80}, expected energies by chemical symbols")
    return dict(found)


def fill(path: Path, terms: nn.ModuleList, tensors: dict[str, Tensor]) -> None:
    """Give terms their tensors, whose names and shapes must be those of the settings."""
    buffers = dict(terms.named_buffers())
    for name, tensor in tensors.items():
        if name not in buffers:
            raise LabkitError(f"{path}: holds {name!r}, which its settings have no place for; they were changed")
        expected, found = tuple(buffers[name].shape), tuple(tensor.shape)
        expect_tensor(name, tensor, *[None] * len(found))
        if name.endswith(".theta") and bool((tensor < SHORTEST).any()):
            raise LabkitError(f"{path}: {name} holds lengths below {SHORTEST} Å")
        grows = ".points_" in name  # the number of sparse points is known only from the file
        if (expected[1:] != found[1:]) if grows else (expected != found):
            raise LabkitError(
                f"{path}: {name} has shape {found}, its settings require {expected}; the model was made with other "
                "hyperparameters than its header says"
            )
        owner, _, last = name.rpartition(".")
        terms.get_submodule(owner).register_buffer(last, tensor)
