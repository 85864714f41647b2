"""QoI_ML1: a learned quantity of interest, written to MLMOD's XML files and readable in LAMMPS."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labkit.base import Observer, State
from labkit.errors import LabkitError
from labkit.files import atomic_write
from labkit.lammps.mlmod.blocks import Blocks, per_system
from labkit.lammps.mlmod.models import ExportedModel


class Quantity(Observer):
    """model(blocks) of the whole system every `every` steps: an Observer.

    value   (S, r, c) of the last time; in LAMMPS f_NAME[1], f_NAME[2], ..., row after row
    Each value goes to its own file, base_dir/base_name__final_integrate__0_00000010.xml at step 10 (of a batch of
    S systems, the second 0 is the system's number).
    """

    value: Tensor | None = None

    def __init__(
        self, model: ExportedModel, blocks: Blocks, every: int, folder: Path, name: str, places: tuple[str, ...]
    ) -> None:
        self.model, self.blocks, self.every = model, blocks, every
        self.folder, self.name, self.places = folder, name, places
        self._timestep: float | None = None

    @property
    def settings(self) -> dict[str, Any]:
        return {"model": self.model, "blocks": self.blocks, "places": self.places}

    def start(self, run: Any) -> None:
        self._timestep = run.dt
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabkitError(f"base_dir {self.folder}: is not a writable folder ({error.strerror})") from error

    def __call__(self, state: State, evaluation: Any) -> None:
        found = []
        for system, atoms in enumerate(per_system(state)):
            time = None if self._timestep is None else self._timestep * state.step
            row = self.blocks.rows(state, atoms, time)[0]
            found.append(self.model.table(row))
            for place in self.places:
                self._write(self.folder / f"{self.name}__{place}__{system}_{state.loop_step:08d}.xml", found[-1])
        self.value = torch.stack(found)

    def _write(self, path: Path, value: Tensor) -> None:
        """The layout of MLMOD's files, which has several roots and so is not valid XML: see read_quantity."""
        numbers = " ".join(f"{number:.9g}" for number in value.reshape(-1).tolist())
        rows, columns = value.shape
        atomic_write(
            path,
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<base_name value="{self.name}"/>\n<num_rows value="{rows}"/>\n<num_cols value="{columns}"/>\n'
            f"<data>\n{numbers} \n</data>\n",
        )


def read_quantity(path: str | os.PathLike[str]) -> Tensor:
    """The value (r, c) in a file that MLMOD, or a Quantity, has written; raises LabkitError for any other file."""
    text = Path(path).read_text()
    shape = [re.search(rf'<{key} value="(\d+)"/>', text) for key in ("num_rows", "num_cols")]
    data = re.search(r"<data>(.*)</data>", text, re.DOTALL)
    if data is None or None in shape:
        raise LabkitError(f"{path}: expected <num_rows>, <num_cols> and <data>, as MLMOD writes them")
    numbers = [float(word) for word in data.group(1).split()]
    rows, columns = (int(found.group(1)) for found in shape)
    if len(numbers) != rows * columns:
        raise LabkitError(f"{path}: holds {len(numbers)} numbers, expected {rows} x {columns}")
    return torch.tensor(numbers, dtype=torch.float64).reshape(rows, columns)
