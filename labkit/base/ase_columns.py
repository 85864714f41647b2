"""Types and bonds in ASE: the arrays "types" (names) and "bonded" of ase.Atoms."""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np
import torch
from torch import Tensor

from labkit.base.bonded import column, from_column
from labkit.base.vocabulary import ELEMENTS, Vocabulary
from labkit.errors import LabkitError


def type_names(atoms: ase.Atoms, where: str) -> np.ndarray | None:
    """The names in the array "types"; None if there is none. Whole numbers, such as LAMMPS types, are names too."""
    types = atoms.arrays.get("types")
    if types is None:
        return None
    if types.ndim != 1 or types.dtype.kind not in "UiuO":
        raise LabkitError(
            f"{where}: the array 'types' is {types.dtype} of shape {types.shape}; expected a name for each atom"
        )
    return types.astype(str)


def read_types(frames: Sequence[ase.Atoms]) -> tuple[Tensor | None, Vocabulary]:
    """Types (n,) of all frames, and their vocabulary: None and the elements if no frame has types."""
    named = [type_names(frame, f"frame {k}") for k, frame in enumerate(frames)]
    if all(names is None for names in named):
        return None, ELEMENTS
    symbols = [frame.get_chemical_symbols() if names is None else names for frame, names in zip(frames, named)]
    names, types = np.unique(np.concatenate(symbols), return_inverse=True)
    return torch.as_tensor(types), Vocabulary(tuple(names.tolist()))


def read_bonds(frames: Sequence[ase.Atoms]) -> Tensor | None:
    """Bonds (b, 2) of all frames as one batch; None unless every frame of more than one atom has them."""
    if not any("bonded" in frame.arrays for frame in frames):
        return None
    if not all("bonded" in frame.arrays or len(frame) == 1 for frame in frames):
        return None
    starts = np.cumsum([0, *(len(frame) for frame in frames)])
    parts = [
        from_column(frame.arrays.get("bonded", ["0"]), f"frame {k}") + start
        for k, (frame, start) in enumerate(zip(frames, starts, strict=False))
    ]
    return torch.as_tensor(np.concatenate(parts))


def write_columns(atoms: ase.Atoms, names: Sequence[str], bonds: np.ndarray | None) -> None:
    """Store the names of types in `atoms`, if they are not the elements, and the bonds (b, 2)."""
    if list(names) != atoms.get_chemical_symbols() or 0 in atoms.numbers:
        # ASE cuts text to the width of the first part when it joins atoms
        atoms.set_array("types", np.array(names, dtype=f"U{max(32, *map(len, names))}"))
    if bonds is not None:
        atoms.set_array("bonded", column(bonds, len(atoms)))
