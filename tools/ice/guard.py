"""A guard that stops dynamics before it samples meaningless frames: limits on distances in water molecules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from labkit.errors import LabkitError


@dataclass(frozen=True)
class Guard:
    """Rules that every frame must obey.

    bonds    (A, B): (low, high)   each A has its nearest B between low and high [Å]
    closest  (A, B): low           no A and B come closer than low [Å]

    A fitted potential can fall into a hole, where energy, temperature and bond lengths look normal while two oxygen
    atoms are 1.2 Å apart; only such rules, or the potential's uncertainty, detect this.

    >>> from ase.build import molecule
    >>> water = molecule("H2O")
    >>> Guard.water().broken(water) is None
    True
    >>> water.positions[1] *= 2
    >>> Guard.water().broken(water)
    'H 1 has its nearest O at 1.866 Å, expected 0.82 to 1.25 Å'
    """

    bonds: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    closest: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @classmethod
    def water(cls) -> Guard:
        """The rules of the shipped ice: O-H 0.82 to 1.25 Å, O-O above 2.3 Å, H-H above 1.25 Å."""
        return cls({("H", "O"): (0.82, 1.25)}, {("O", "O"): 2.3, ("H", "H"): 1.25})

    def broken(self, atoms: Atoms) -> str | None:
        """The rule that a frame breaks, in words, or None."""
        if not np.isfinite(atoms.positions).all():
            return "positions are not finite"
        reach = max([*self.closest.values(), *(2 * high for _, high in self.bonds.values())], default=0.0)
        first, second, distance = neighbor_list("ijd", atoms, reach)
        symbols = np.array(atoms.get_chemical_symbols())
        for (a, b), low in self.closest.items():
            close = (symbols[first] == a) & (symbols[second] == b) & (distance <= low)
            if close.any():
                k = np.flatnonzero(close)[np.argmin(distance[close])]
                return f"{a} {first[k]} and {b} {second[k]} are {distance[k]:.3f} Å apart, expected above {low} Å"
        for (a, b), (low, high) in self.bonds.items():
            nearest = np.full(len(atoms), np.inf)
            pair = symbols[second] == b
            np.minimum.at(nearest, first[pair], distance[pair])
            for i in np.flatnonzero(symbols == a):
                if not low <= nearest[i] <= high:
                    at = f"at {nearest[i]:.3f} Å" if np.isfinite(nearest[i]) else f"beyond {reach:g} Å"
                    return f"{a} {i} has its nearest {b} {at}, expected {low} to {high} Å"
        return None


class GuardError(LabkitError):
    """Dynamics broke a rule at `step`; `frames` are the samples taken before."""

    def __init__(self, message: str, step: int, frames: list[Atoms]) -> None:
        super().__init__(message)
        self.step = step
        self.frames = frames
