"""A neural potential in one safetensors file: weights, and a header with settings, species, units and version."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.errors import LabkitError
from labkit.files import expect_tensor, read_tensors, whole_content, write_model
from labkit.neural.config import NeuralConfig

if TYPE_CHECKING:
    from labkit.neural.potential import NeuralPotential

FORMAT = "labkit neural 1"


def write_neural(path: str | os.PathLike[str], potential: NeuralPotential) -> None:
    """Write a potential atomically. Raises LabkitError if its weights are not finite."""
    write_model(
        path,
        FORMAT,
        "eV, Å",
        dict(potential.state_dict()),
        config=potential.config.to_dict(),
        species=list(potential.vocabulary),
        metadata=potential.metadata,
    )


def read_neural(path: str | os.PathLike[str]) -> NeuralPotential:
    """The potential of a file. Raises LabkitError, naming the file, for one that is not what `write_neural` wrote."""
    from labkit.neural.potential import NeuralPotential

    where = Path(path)
    header, tensors = read_tensors(where, FORMAT, "neural potential", "cpu")
    with whole_content(where):
        species = [str(name) for name in json.loads(header["species"])]
        e0 = expect_tensor("e0", tensors.get("e0"), len(species))
        found = NeuralPotential(
            NeuralConfig.from_dict(json.loads(header["config"])),
            species,
            dict(zip(species, e0.tolist(), strict=True)),
            float(expect_tensor("scale", tensors.get("scale"))),
            json.loads(header["metadata"]),
        )
        expected = found.state_dict()
        wrong = set(expected) ^ set(tensors)
        if wrong:
            raise LabkitError(f"weights {', '.join(sorted(wrong)[:3])} do not belong to a {found.config.network}")
        for name, tensor in expected.items():
            expect_tensor(name, tensors[name], *tensor.shape)
        if tensors["network.last.weight"].dtype != found.dtype:
            found.to(tensors["network.last.weight"].dtype)
        found.load_state_dict(tensors)
    return found
