"""Data for estimating and learning mobilities: particles that are pushed, or only observed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from labkit.errors import LabkitError
from labkit.mobility.trajectories import continuous


@dataclass(frozen=True, eq=False)
class Active:
    """Known forces and the mean velocities that they cause, at T configurations of n particles.

    positions (T, n, 3) Å, forces (T, n, 3) eV/Å, velocities (T, n, 3) Å/fs. Raises LabkitError for other shapes.
    """

    positions: Tensor
    forces: Tensor
    velocities: Tensor

    def __post_init__(self) -> None:
        _same(self, "forces", "velocities")


@dataclass(frozen=True, eq=False)
class Passive:
    """How far particles diffuse in a given time.

    positions      (T, n, 3) Å, at the start
    displacements  (T, n, 3) Å, after `lag` fs; windows that do not overlap are independent samples
    temperature    K
    forces         (T, n, 3) eV/Å that act during it, or None
    """

    positions: Tensor
    displacements: Tensor
    lag: float
    temperature: float
    forces: Tensor | None = None

    def __post_init__(self) -> None:
        _same(self, "displacements", *(["forces"] if self.forces is not None else []))
        for name in ("lag", "temperature"):
            if not getattr(self, name) > 0:
                raise LabkitError(f"Passive: {name} is {getattr(self, name)}; expected a positive number")

    @classmethod
    def from_trajectory(
        cls, trajectory: Tensor, dt: float, temperature: float, every: int = 1, *, cell: Any = None
    ) -> Passive:
        """Displacements over `every` frames of a trajectory (frames, n, 3) or (frames, S, n, 3), `dt` fs apart.

        Windows follow one another without overlap. Positions that are wrapped into a `cell` are unwrapped if it is
        given: edges (3,), lattice vectors (3, 3) or (S, 3, 3), Å. Raises LabkitError for a trajectory that is shorter,
        and for one whose frames or particles are not in order (`continuous`).
        """
        check_shape(trajectory)
        if not 1 <= every < len(trajectory):
            raise LabkitError(f"a lag of {every} frames does not fit into a trajectory of {len(trajectory)}")
        return cls.of_windows(continuous(trajectory, cell), dt, temperature, every)

    @classmethod
    def of_windows(cls, trajectory: Tensor, dt: float, temperature: float, every: int) -> Passive:
        """The same of a trajectory that is known to be in order."""
        frames = trajectory[::every]
        start, moved = frames[:-1], frames[1:] - frames[:-1]
        n = trajectory.shape[-2]
        return cls(start.reshape(-1, n, 3), moved.reshape(-1, n, 3), every * dt, temperature)


def check_shape(trajectory: Tensor) -> None:
    """Raise LabkitError for what is no trajectory of particles."""
    if trajectory.ndim not in (3, 4) or trajectory.shape[-1] != 3:
        raise LabkitError(
            f"the trajectory has shape {tuple(trajectory.shape)}; expected (frames, n, 3) or (frames, S, n, 3)"
        )


def _same(data: Active | Passive, *names: str) -> None:
    expected = tuple(data.positions.shape)
    if len(expected) != 3 or expected[2] != 3:
        raise LabkitError(f"{type(data).__name__}: positions are {expected}; expected (T, n, 3) Å")
    for name in names:
        if (found := tuple(getattr(data, name).shape)) != expected:
            raise LabkitError(f"{type(data).__name__}: {name} are {found}; expected {expected}, like the positions")
