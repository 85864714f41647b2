"""labkit's own models as the external potential of a run, with the embeddings that TorchMD gives its models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labkit.base import ELEMENTS, Evaluation, Neighbours, Potential, State, System
from labkit.base.potential import Compiled
from labkit.errors import LabkitError


def format_of(path: Path) -> str:
    """The format that the header of a safetensors file names, such as "labkit neural 1"; "" for another file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return str((file.metadata() or {}).get("format", ""))
    except (OSError, SafetensorError):
        return ""


def read_model(path: Path | None) -> Potential:
    """A neural potential or a GAP. Raises LabkitError for a file that is neither, is damaged or not there."""
    if path is None or not path.is_file():
        raise LabkitError(f"external: file: {path or 'none given'}: there is no such model")
    if format_of(path).startswith("labkit neural "):
        from labkit.neural import load

        return load(path)
    from labkit.gap import GapModel

    return GapModel.load(path)


def embedded(model: Potential, embeddings: Sequence[int], atoms: Sequence[int], replicas: int) -> Potential:
    """A model whose atoms are what the embeddings say: atomic numbers, or numbers by which beads are named.

    atoms   atomic numbers of the topology, 0 where it has none

    Raises LabkitError, naming the atom, for an embedding that the model has not seen or the topology contradicts.
    """
    vocabulary = getattr(model, "vocabulary", ELEMENTS)
    elements = all(name in ELEMENTS for name in vocabulary)
    if elements:
        for k, (number, atom) in enumerate(zip(embeddings, atoms, strict=True)):
            if not 0 < number < len(ELEMENTS) or ELEMENTS.names[number] not in vocabulary:
                raise _unknown(k, number, f"of elements ({vocabulary})" if vocabulary != ELEMENTS else "of elements")
            if atom not in (0, number):
                one, other = ELEMENTS.names[number], ELEMENTS.names[atom]
                raise LabkitError(
                    f"external: embeddings: atom {k} is {one} ({number}), but {other} in the topology; embeddings of "
                    "such a model are atomic numbers"
                )
        if list(atoms) == list(embeddings):
            return model
        return Embedded(model, torch.tensor(embeddings).repeat(replicas), None)
    for k, number in enumerate(embeddings):
        if str(number) not in vocabulary:
            raise _unknown(k, number, f"of beads {vocabulary}")
    return Embedded(model, None, torch.tensor([vocabulary.index_of(str(x)) for x in embeddings]).repeat(replicas))


def _unknown(atom: int, number: int, what: str) -> LabkitError:
    return LabkitError(f"external: embeddings: {number}, of atom {atom}, is unknown to this model {what}")


class Embedded(Potential):
    """A model in whose systems the atoms have these numbers (n,), or these types (n,) of the model's vocabulary."""

    def __init__(self, model: Potential, numbers: Tensor | None, types: Tensor | None) -> None:
        super().__init__()
        self.model, self.cutoff, self.skin = model, model.cutoff, model.skin
        self.register_buffer("numbers", numbers)
        self.register_buffer("types", types)

    def _system(self, system: System) -> System:
        kept = self.__dict__.get("_named")  # models know a system that they have seen by its identity
        if kept is None or kept[0] is not system:
            if self.types is None:
                named = replace(system, numbers=self.numbers, types=None, vocabulary=ELEMENTS)
            else:
                none = torch.zeros_like(self.types)
                named = replace(system, numbers=none, types=self.types, vocabulary=self.model.vocabulary)
            kept = self.__dict__["_named"] = system, named
        return kept[1]

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        return self.model.energy(self._system(system), positions, cell, neighbours)

    def atomic_energies(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        return self.model.atomic_energies(self._system(system), positions, cell, neighbours)

    def evaluate(self, state: State, **wanted: Any) -> Evaluation:
        return self.model.evaluate(state.replace(system=self._system(state.system)), **wanted)

    def compiled(self, state: State) -> Compiled | None:
        return self.model.compiled(state.replace(system=self._system(state.system)))
