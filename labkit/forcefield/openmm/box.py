"""OpenMM's requirements on a box: its form, and its size for a cutoff."""

from __future__ import annotations

import numpy as np

from labkit.errors import LabkitError
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.forcefield.terms.term import Term


def reduced(rows: np.ndarray) -> np.ndarray:
    """The box in OpenMM's reduced form. Raises LabkitError unless a is along x and b in the xy plane."""
    if np.abs(np.triu(rows, 1)).max() > 1e-9 * np.abs(rows).max() or (rows.diagonal() <= 0).any():
        raise LabkitError(
            f"box {rows.tolist()} Å: OpenMM needs a along x and b in the xy plane; rotate the system, "
            "as with ase.Atoms.standard_form or cell.standard_form()"
        )
    a, b, c = rows
    c = c - b * np.round(c[1] / b[1])
    c = c - a * np.round(c[0] / a[0])
    return np.array([a, b - a * np.round(b[0] / a[0]), c])


def check_cutoff(name: str, term: Term, rows: np.ndarray) -> None:
    """Raise LabkitError for no cutoff, and for one beyond half the box: OpenMM considers only the nearest image."""
    if isinstance(term, PairTerm) and term.reach is None:
        raise LabkitError(
            f"term {name}: it has no cutoff, and OpenMM computes periodic pairs with a cutoff only; give it one, or "
            "leave out the box"
        )
    if term.cutoff > 0.5 * rows.diagonal().min():
        lengths = ", ".join(f"{length:g}" for length in rows.diagonal())
        raise LabkitError(
            f"term {name}: a cutoff of {term.cutoff:g} Å, but the box is {lengths} Å across, and OpenMM uses the "
            f"nearest image only; it needs {2 * term.cutoff:g} Å each way: repeat the cell, or choose a smaller cutoff"
        )
