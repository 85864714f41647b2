"""The box of an OpenMM System: its form, and the cutoffs that it has room for."""

from __future__ import annotations

import numpy as np

from labkit.errors import LabkitError
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.forcefield.terms.term import Term


def reduced(rows: np.ndarray) -> np.ndarray:
    """OpenMM takes boxes with a along x, b in the xy plane and c off them by at most half of each."""
    if np.abs(np.triu(rows, 1)).max() > 1e-9 * np.abs(rows).max() or (rows.diagonal() <= 0).any():
        raise LabkitError(
            f"box {rows.tolist()} Å: OpenMM needs a along x and b in the xy plane; turn the system, "
            "as with ase.Atoms.standard_form or cell.standard_form()"
        )
    a, b, c = rows
    c = c - b * np.round(c[1] / b[1])
    c = c - a * np.round(c[0] / a[0])
    return np.array([a, b - a * np.round(b[0] / a[0]), c])


def check_cutoff(name: str, term: Term, rows: np.ndarray) -> None:
    """OpenMM sees the nearest image of a pair only, and none where there is no cutoff."""
    if isinstance(term, PairTerm) and term.reach is None:
        raise LabkitError(
            f"term {name}: it has no cutoff, and OpenMM has images of pairs with one only; give it a cutoff, or leave "
            "out the box"
        )
    if term.cutoff > 0.5 * rows.diagonal().min():
        lengths = ", ".join(f"{length:g}" for length in rows.diagonal())
        raise LabkitError(
            f"term {name}: a cutoff of {term.cutoff:g} Å, but the box is {lengths} Å across, and OpenMM takes the "
            f"nearest image only; it needs {2 * term.cutoff:g} Å each way: repeat the cell, or choose a smaller cutoff"
        )
