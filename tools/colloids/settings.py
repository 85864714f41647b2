"""Settings of the simulation: the solvent, its colloids, and its separate pieces."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from labkit.errors import LabkitError, suggest

#: minimum of the Lennard-Jones interaction, where that of the solvent ends
WCA = 2 ** (1 / 6)


@dataclass(frozen=True)
class Solvent:
    """Spheres in a dense Weeks-Chandler-Andersen fluid; reduced units: the solvent's sigma, epsilon and mass are 1.

    density        of the solvent between the colloids, temperature its k_B T
    box            edge of the cube
    radius         R, of the colloids' hard surface: the solvent's centres stay outside R + 1/2. They slip along it, so
                   that the hydrodynamic radius is not R, but near 2/3 (R + 1/2)
    distances      of the two centres in the pieces with a pair, up to half the box
    force          on each colloid along x, y and z, all three at once
    acceleration   amplitude of the cosine that measures the viscosity
    friction       γ of the thermostat (pairwise, as in dissipative particle dynamics), reach its range
    timestep, block, equilibration are times; all averages are kept block by block

    Raises LabkitError for values that do not make such a box.

    >>> Solvent(radius=2.0, density=0.75).mass  # that of the fluid displaced
    25.1327...
    """

    density: float = 0.8
    temperature: float = 1.0
    box: float = 18.0
    radius: float = 2.0
    distances: tuple[float, ...] = (5.0, 6.0, 7.5, 9.0)
    force: float = 10.0
    acceleration: float = 0.02
    friction: float = 5.0
    reach: float = 1.5
    timestep: float = 0.01
    block: float = 50.0
    equilibration: float = 100.0
    seed: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "distances", tuple(float(r) for r in self.distances))
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "distances" and not (isinstance(value, (int, float)) and value > 0):
                raise LabkitError(f"Solvent: {field.name} is {value!r}; expected a positive number")
        if self.box < 4 * self.radius:
            raise LabkitError(f"Solvent: a box of {self.box:g} for colloids of radius {self.radius:g}; expected 4 R")
        for r in self.distances:
            if not 2 * self.radius <= r <= self.box / 2:
                raise LabkitError(
                    f"Solvent: a distance of {r:g}; expected {2 * self.radius:g} (colloids that touch) to "
                    f"{self.box / 2:g} (half the box)"
                )
        if self.steps % 10 or abs(self.steps * self.timestep - self.block) > 1e-9:
            raise LabkitError(f"Solvent: block is {self.block:g}; expected a multiple of ten timesteps")

    @property
    def steps(self) -> int:
        """Steps of a block."""
        return round(self.block / self.timestep)

    @property
    def mass(self) -> float:
        """Mass of a colloid: that of the displaced fluid, so that zero momentum means no flow of volume either."""
        return self.density * 4 / 3 * math.pi * self.radius**3

    def pieces(self) -> tuple[Piece, ...]:
        """All runs: one colloid, the same at half the force, two at each distance, the solvent alone."""
        pairs = [Piece(f"pair-{r:g}", self.force, r) for r in self.distances]
        return Piece("single", self.force), Piece("gentle", self.force / 2), *pairs, Piece("viscosity", 0.0)

    def text(self) -> str:
        """The settings as JSON, as `load` reads them."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Solvent:
        """Settings from a JSON file with some or all of the names above; raises LabkitError for others."""
        try:
            found = json.loads(Path(path).read_text())
        except (OSError, ValueError) as error:
            raise LabkitError(f"{path}: settings cannot be read ({error})") from error
        known = [field.name for field in fields(cls)]
        if not isinstance(found, dict):
            raise LabkitError(f"{path}: expected an object with some of {', '.join(known)}")
        for name in found:
            if name not in known:
                raise LabkitError(f"{path}: unknown setting {name!r}{suggest(name, known)}")
        return cls(**found)


@dataclass(frozen=True)
class Piece:
    """One run: one colloid (a distance of 0) or two, and the force on each along x, y and z (0: no colloid)."""

    name: str
    force: float
    distance: float = 0.0

    @property
    def colloids(self) -> int:
        return 0 if self.force == 0 else 2 if self.distance else 1
