"""Track: predictions along trajectories, and the spectra from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
import torch
from torch import Tensor

from labkit.base import State, System, find_neighbours
from labkit.engine import temperature
from labkit.errors import LabkitError
from labkit.polarizability import TensorModel
from labkit.spectra.density_of_states import DensityOfStates, density_of_states
from labkit.spectra.infrared import infrared
from labkit.spectra.models import Members, Tensors, current
from labkit.spectra.raman import Raman, raman
from labkit.spectra.spectrum import Spectrum

_ATOMS = 768  # predicted at once


@dataclass(frozen=True, eq=False)
class Track:
    """T samples of S trajectories, by M models.

    system          the batch
    spacing         fs between samples
    temperature     K, the mean kinetic one
    volume          Å^3, the mean of the cells; None for open systems
    polarizability  (M, T, S, 3, 3) Å^3, or None
    current         (M, T, S, 3) e Å/fs, or None
    velocities      (T, n, 3) Å/fs, or None
    """

    system: System
    spacing: float
    temperature: float
    volume: float | None
    polarizability: Tensor | None = None
    current: Tensor | None = None
    velocities: Tensor | None = None

    def infrared(self, **options: Any) -> Spectrum:
        """`labkit.spectra.infrared` of the current, with this temperature and volume unless others are given."""
        if self.current is None:
            raise LabkitError("no current; give the model of Born charges as born_charges=")
        return infrared(
            self.current, self.spacing, **{"temperature": self.temperature, "volume": self.volume} | options
        )

    def raman(self, **options: Any) -> Raman:
        """`labkit.spectra.raman` of the polarizability, with this temperature unless another is given."""
        if self.polarizability is None:
            raise LabkitError("no polarizability; give its model as polarizability=")
        return raman(self.polarizability, self.spacing, **{"temperature": self.temperature} | options)

    def density_of_states(self, **options: Any) -> DensityOfStates:
        """`labkit.spectra.density_of_states` of the velocities."""
        return density_of_states(self.velocities, self.system, self.spacing, **options)


def along(
    frames: Sequence[State] | Sequence[ase.Atoms],
    spacing: float,
    *,
    polarizability: Tensors | Sequence[TensorModel] | None = None,
    born_charges: Tensors | Sequence[TensorModel] | None = None,
    velocities: bool = True,
) -> Track:
    """What `Response` records, from stored frames `spacing` fs apart: Atoms of one trajectory, or batches.

    Frames need velocities. Raises LabkitError, naming the frame, if they have none, for other atoms than in the
    first frame, and for a cell that changes.

    >>> track = along(frames, 2.0, polarizability=model)  # doctest: +SKIP
    >>> track.raman(resolution=30.0).parallel.peaks()  # doctest: +SKIP
    """
    states = [frame if isinstance(frame, State) else State.from_atoms(frame) for frame in frames]
    if not states:
        raise LabkitError("no frames were given; expected those of a trajectory")
    first = states[0]
    for k, state in enumerate(states):
        if not torch.equal(state.system.numbers, first.system.numbers):
            raise LabkitError(f"frame {k}: has other atoms than frame 0; give the frames of one trajectory")
        check_cell(state, first, f"frame {k}")
        if not bool(state.velocities.any()):
            raise LabkitError(f"frame {k}: has no velocities, which spectra need; store them with the positions")
    models = predictors(polarizability, born_charges)
    many = max(1, _ATOMS // first.system.n_atoms)
    found = [
        predicted(State.batch(states[k : k + many], equal_seeds=True), models) for k in range(0, len(states), many)
    ]
    series = {}
    for name in models:
        flat = torch.cat([part[name] for part in found], 1)
        series[name] = flat.unflatten(1, (len(states), first.system.n_systems))
    if "born_charges" in series:
        series["current"] = series.pop("born_charges")
    if velocities:
        series["velocities"] = torch.stack([state.velocities for state in states]).cpu().to(torch.float64)
    warm = float(np.mean([float(temperature(state, com_removed=True).mean()) for state in states]))
    return Track(first.system, float(spacing), warm, volume(first), **series)


def predictors(
    polarizability: Tensors | Sequence[TensorModel] | None, born_charges: Tensors | Sequence[TensorModel] | None
) -> dict[str, Members]:
    """The given models, by the name of their property."""
    given = {"polarizability": polarizability, "born_charges": born_charges}
    return {name: Members(models, name) for name, models in given.items() if models is not None}


@torch.no_grad()
def predicted(state: State, models: dict[str, Members], neighbours: Any = None) -> dict[str, Tensor]:
    """Polarizabilities (M, S, 3, 3), and for Born charges the currents (M, S, 3), on the CPU; all in float64."""
    if not models:
        return {}
    # dynamics may be in float32
    positions, cell, velocities = (t.to(torch.float64) for t in (state.positions, state.cell, state.velocities))
    if neighbours is None:
        reach = max(model.cutoff for model in models.values())
        neighbours = find_neighbours(state.system, state.positions, state.cell, reach)
    found = {}
    for name, model in models.items():
        values = model(state.system, positions, cell, neighbours)
        if name == "born_charges":
            values = current(values, velocities, state.system)
        found[name] = values.detach().to("cpu", torch.float64)
    return found


def check_cell(state: State, first: State, where: str) -> None:
    """Raise LabkitError if the cell differs from the first: spectra need constant volume."""
    if state.cell.shape != first.cell.shape or not torch.allclose(state.cell, first.cell, rtol=1e-6, atol=1e-6):
        raise LabkitError(
            f"{where}: the cell has changed; spectra need trajectories at constant volume and energy: run "
            "VelocityVerlet from states that a barostat has prepared"
        )


def volume(state: State) -> float | None:
    """Mean volume of periodic cells, Å^3."""
    return float(state.volume().mean()) if bool(state.system.pbc.all()) else None
