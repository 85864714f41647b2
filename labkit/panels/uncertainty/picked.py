"""An atom of the picture: its frame, its σ and error, and the training environments that are most like its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from labkit.active.calibration import Samples
from labkit.active.nearest_known import NearestKnown, nearest_known
from labkit.base import Potential
from labkit.datasets import Dataset
from labkit.errors import LabkitError


@dataclass(frozen=True, eq=False)
class PickedAtom:
    """Atom number `atom` of frame number `frame`.

    atoms    the frame, with the array "spread": σ of each atom over the largest one of the frame, 0 to 1
    error    |ΔF| of the atom in eV/Å; `sigma` as in the picture, in `unit`
    nearest  the most similar atom of the training frames; None for a potential without features
    known    its frame, in which its "spread" is 1 and that of others 0
    """

    frame: int
    atom: int
    atoms: Atoms
    error: float
    sigma: float
    unit: str
    nearest: NearestKnown | None = None
    known: Atoms | None = None

    @property
    def words(self) -> str:
        """As in "Frame 12, atom 3 (O): error 0.31 eV/Å, σ 0.12 eV/Å."."""
        symbol, unit = self.atoms.symbols[self.atom], f" {self.unit}" if self.unit else ""
        said = (
            f"Frame {self.frame}, atom {self.atom} ({symbol}): error {self.error:.3g} eV/Å, σ {self.sigma:.3g}{unit}."
        )
        if self.nearest is None:
            return said
        place = f"atom {self.nearest.atom} of training frame {self.nearest.frame}"
        return f"{said} The most similar training environment is {place}, at a distance of {self.nearest.distance:.3g}."


def picked_atom(samples: Samples, number: int, frames: Dataset, potential: Potential, train: Dataset) -> PickedAtom:
    """The atom of sample `number`. Raises LabkitError if some atoms of its frame have no forces."""
    frame = int(samples.frame[number])
    mine = np.flatnonzero(samples.frame == frame)
    atoms = frames.atoms[frame].copy()
    if len(mine) != len(atoms):
        raise LabkitError(
            f"frame {frame}: {len(mine)} of {len(atoms)} atoms have forces; it cannot be said which is which"
        )
    atom, spread = int(number - mine[0]), samples.sigmas[mine]
    atoms.set_array("spread", spread / (spread.max() or 1.0))
    try:
        (nearest,) = nearest_known(potential, train, atoms, atom)
    except LabkitError:
        nearest = None
    known = None if nearest is None else train.atoms[nearest.frame].copy()
    if known is not None:
        known.set_array("spread", np.eye(len(known))[nearest.atom])
    error, sigma = float(samples.errors[number]), float(samples.sigmas[number])
    return PickedAtom(frame, atom, atoms, error, sigma, samples.unit, nearest, known)
