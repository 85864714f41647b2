"""Which atoms are bonded, as rows (b, 2) of a flat batch and as a column of text beside the atoms.

The column lists the partners of each atom relative to it: "1,3" is bonded to the next atom and to the third
after it, "-1" to the one before, "0" to none. Unlike indices it stays valid when ASE repeats or joins atoms or
shifts their numbers; each bond is listed at both ends, so that a truncated column is noticed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from labkit.errors import LabkitError


def bonds_of(atoms: Sequence[tuple[int, int]] | Tensor | np.ndarray, n_atoms: int) -> Tensor:
    """Bonds (b, 2), each once with i < j, ascending. Raises LabkitError for unknown or equal atoms.

    >>> bonds_of([(2, 1), (0, 1), (1, 2)], n_atoms=3).tolist()
    [[0, 1], [1, 2]]
    """
    bonds = torch.as_tensor(atoms, dtype=torch.int64).reshape(-1, 2).sort(1).values
    wrong = torch.nonzero((bonds[:, 0] < 0) | (bonds[:, 1] >= n_atoms) | (bonds[:, 0] == bonds[:, 1])).flatten()
    if len(wrong):
        raise LabkitError(f"bond {bonds[wrong[0]].tolist()}: expected two different atoms of 0 to {n_atoms - 1}")
    return torch.unique(bonds, dim=0)


def bonds_among(bonds: Tensor, atoms: Tensor, n_atoms: int) -> Tensor:
    """The bonds between some of the atoms, (k,), as rows of these atoms, ascending.

    >>> bonds_among(torch.tensor([[0, 1], [2, 3]]), torch.tensor([1, 2, 3]), n_atoms=4).tolist()
    [[1, 2]]
    """
    place = torch.full((n_atoms,), -1, device=bonds.device)
    place[atoms] = torch.arange(len(atoms), device=bonds.device)
    moved = place[bonds].sort(1).values
    moved = moved[moved[:, 0] >= 0]
    return moved[torch.argsort(moved[:, 0] * len(atoms) + moved[:, 1])]


def column(bonds: np.ndarray, n_atoms: int) -> np.ndarray:
    """Bonds (b, 2) as text beside each atom, (n_atoms,).

    >>> column(np.array([[0, 1], [1, 2]]), 4).tolist()
    ['1', '-1,1', '-1', '0']
    """
    partners: list[list[int]] = [[] for _ in range(n_atoms)]
    for i, j in np.asarray(bonds).reshape(-1, 2).tolist():
        partners[i].append(j - i)
        partners[j].append(i - j)
    text = [",".join(map(str, sorted(p))) or "0" for p in partners]
    # at least this wide: ASE cuts text to the width of the first part when it joins atoms
    return np.array(text, dtype=f"U{max(64, *map(len, text))}" if text else "U64")


def from_column(text: Sequence[str], where: str) -> np.ndarray:
    """The bonds (b, 2) of such a column. Raises LabkitError, naming `where` and the atom, if it is not one.

    >>> from_column(["1", "-1"], "frame 0").tolist()
    [[0, 1]]
    """
    found: set[tuple[int, int]] = set()
    for atom, words in enumerate(map(str, text)):
        try:
            steps = [int(word) for word in words.split(",")]
        except ValueError:
            raise LabkitError(
                f"{where}, atom {atom}: bonded is {words!r}, expected places of its partners, as in -1,1; 0 for none"
            ) from None
        found |= {(atom, atom + step) for step in steps if step}
    lost = sorted(bond for bond in found if bond[::-1] not in found)
    if lost:
        raise LabkitError(
            f"{where}, atom {lost[0][0]}: bonded to atom {lost[0][1]}, which is not bonded to it: atoms were removed "
            "or sorted; write the column again"
        )
    return np.array(sorted(bond for bond in found if bond[0] < bond[1]), dtype=np.int64).reshape(-1, 2)
