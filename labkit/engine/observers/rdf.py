"""Radial distribution functions, by pairs of elements or of types of beads."""

from __future__ import annotations

from typing import Any

import torch
from ase.data import chemical_symbols
from torch import Tensor

from labkit.base import Observer, State, find_neighbours
from labkit.engine.observers import stored
from labkit.engine.run import Run
from labkit.errors import LabkitError


class RadialDistribution(Observer):
    """g_ab(r) = ⟨V N_ab(r) / (N_a N_b 4 π r² dr)⟩: N_ab pairs between r and r + dr, all periodic images included.

    `r_max` [Å] may be larger than half the cell. Shells are counted exactly: 4π/3 ((r + dr)³ - r³).

    Raises LabkitError for systems that are not periodic in all directions: they have no density.

    >>> rdf = RadialDistribution(r_max=8.0, bins=200, every=50)
    """

    def __init__(self, r_max: float, bins: int = 200, every: int = 100) -> None:
        if not r_max > 0 or bins < 1:
            raise LabkitError(f"r_max is {r_max!r} Å with {bins!r} bins; expected positive numbers")
        self.r_max, self.bins, self.every = float(r_max), int(bins), every
        self.frames, self.species = 0, []
        self._sum: Tensor | None = None
        self._step: int | None = None

    @property
    def settings(self) -> dict[str, Any]:
        return {"r_max": self.r_max, "bins": self.bins}

    def start(self, run: Run) -> None:
        """Start again, unless the run continues where the last one ended."""
        continues = self._step is not None and run.state.loop_step == self._step
        self._prepare(run)
        if not continues:
            self.frames, self._sum, self._step = 0, None, None

    def _prepare(self, run: Run) -> None:
        system = run.state.system
        if not bool(system.pbc.all()):
            raise LabkitError(
                "RadialDistribution: a system is not periodic in all directions, so it has no density to divide by"
            )
        self.species = list(system.of_kinds)
        self._kind = torch.zeros_like(system.numbers)
        for k, atoms in enumerate(system.of_kinds.values()):
            self._kind[atoms] = k
        kinds = len(self.species)
        group = system.index * kinds + self._kind
        self._atoms = torch.bincount(group, minlength=system.n_systems * kinds).reshape(-1, kinds)

    def __call__(self, state: State, evaluation: Any) -> None:
        kinds, systems = len(self.species), state.system.n_systems
        near = find_neighbours(state.system, state.positions, state.cell, self.r_max)
        distance = near.vectors(state.positions, state.cell).norm(dim=1)
        where = (distance * (self.bins / self.r_max)).long().clamp(max=self.bins - 1)
        cell = ((near.index * kinds + self._kind[near.i]) * kinds + self._kind[near.j]) * self.bins + where
        counts = torch.bincount(cell, minlength=systems * kinds * kinds * self.bins)
        counts = counts.reshape(systems, kinds, kinds, self.bins).to(torch.float64)
        total = counts * state.volume().to(torch.float64)[:, None, None, None]  # the volume may change during the run
        self._sum = total if self._sum is None else self._sum + total
        self.frames += 1
        self._step = state.loop_step

    @property
    def r(self) -> Tensor:
        """Middles (bins,) of the shells, Å."""
        return (torch.arange(self.bins, dtype=torch.float64) + 0.5) * (self.r_max / self.bins)

    def g(self, a: int | str, b: int | str) -> Tensor:
        """g_ab (S, bins) of two elements, by symbol or atomic number, or types of beads; nan if a system lacks one."""
        if self._sum is None:
            raise LabkitError("RadialDistribution: has seen no frame yet; run simulate with it first")
        i, j = self._which(a), self._which(b)
        edges = torch.arange(self.bins + 1, dtype=torch.float64, device=self._sum.device) * (self.r_max / self.bins)
        shells = 4.0 / 3.0 * torch.pi * (edges[1:] ** 3 - edges[:-1] ** 3)
        pairs = (self._atoms[:, i] * self._atoms[:, j]).to(torch.float64)
        return self._sum[:, i, j] / (self.frames * pairs[:, None] * shells)

    def position(self) -> dict[str, Any]:
        return {"frames": self.frames, "step": self._step} | ({} if self._sum is None else {"sum": self._sum})

    def rewind(self, position: dict[str, Any], run: Run) -> None:
        self._prepare(run)
        self.frames, self._step, self._sum = stored.whole(position, "frames"), stored.step_of(position), None
        if self.frames:
            kinds = len(self.species)
            self._sum = stored.tensor(position, "sum", run.state.system.n_systems, kinds, kinds, self.bins)

    def numbers(self) -> dict[str, Tensor]:
        """Numbers that a test compares to the bit."""
        return {"RadialDistribution.sum": self._sum}

    def _which(self, name: int | str) -> int:
        symbol = chemical_symbols[name] if isinstance(name, int) and 0 < name < len(chemical_symbols) else name
        if symbol not in self.species:
            raise LabkitError(
                f"RadialDistribution: there is no {name!r} in the systems; they have {', '.join(self.species)}"
            )
        return self.species.index(symbol)
