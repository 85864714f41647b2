"""Response: polarizability and current predicted during a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from labkit.base import NeighbourList, Observer, State
from labkit.engine import Run
from labkit.engine.kinetic import temperature_under
from labkit.errors import LabkitError
from labkit.polarizability import TensorModel
from labkit.spectra.density_of_states import DensityOfStates
from labkit.spectra.models import Tensors
from labkit.spectra.raman import Raman
from labkit.spectra.spectrum import Spectrum
from labkit.spectra.track import Track, check_cell, predicted, predictors, volume


class Response(Observer):
    """An observer for `simulate` that records the series that spectra are computed from, for every system of a batch.

    Spectra can be computed as soon as there are some samples, and again when the trajectory has grown. The samples
    are stored in checkpoints; a run that continues where the last one ended adds to them, any other replaces them.

    polarizability  a TensorModel, several (a shared descriptor is computed once) or a committee; or None
    born_charges    the same for Born charges, which with the velocities give the current; or None
    velocities      whether to record all velocities, for the density of states
    every           steps between two samples

    Raises LabkitError for a model of another property, a cell that changes, and predictions that are not finite.

    >>> response = Response(polarizability=model, born_charges=charges, every=4)  # doctest: +SKIP
    >>> simulate(state, potential, VelocityVerlet(), 4000, 0.5, observers=[response])  # doctest: +SKIP
    >>> response.infrared(resolution=30.0).peaks()  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        polarizability: Tensors | Sequence[TensorModel] | None = None,
        born_charges: Tensors | Sequence[TensorModel] | None = None,
        velocities: bool = False,
        every: int = 4,
    ) -> None:
        self.every, self.velocities = every, velocities
        self._models = predictors(polarizability, born_charges)
        if not self._models and not velocities:
            raise LabkitError("Response: nothing to record; give polarizability=, born_charges= or velocities=True")
        reach = max((model.cutoff for model in self._models.values()), default=0.0)
        self._neighbours = NeighbourList(reach) if reach else None
        self.run: Run | None = None
        self._kept: dict[str, list[Tensor]] = {}
        self._steps: list[int] = []
        self._dt = 0.0

    @property
    def settings(self) -> dict[str, Any]:
        return {"models": {name: m.models for name, m in self._models.items()}, "velocities": self.velocities}

    def start(self, run: Run) -> None:
        """Drop the samples, unless the run continues where the last one ended."""
        continues = (
            self._steps
            and 0 <= run.state.loop_step - self._steps[-1] < self.every
            and run.dt == self._dt
            and torch.equal(run.state.system.numbers, self.run.state.system.numbers)
        )
        if not continues:
            self._kept, self._steps = {}, []
        self.run, self._dt = run, run.dt

    def __call__(self, state: State, evaluation: Any) -> None:
        if self.run is None:
            raise LabkitError("Response was called outside a run; give it to simulate(observers=...)")
        check_cell(state, self.run.state, f"step {state.loop_step}")
        near = None if self._neighbours is None else self._neighbours(state)
        found = predicted(state, self._models, near)
        for name, values in found.items():
            if not bool(torch.isfinite(values).all()):
                raise LabkitError(
                    f"step {state.loop_step}: predictions of {name} are not finite; is the structure like those the "
                    "model was trained on?"
                )
        found["temperature"] = temperature_under(state, self.run.integrator).detach().to("cpu", torch.float64)
        if self.velocities:
            found["velocities"] = state.velocities.detach().to("cpu", torch.float64)
        for name, values in found.items():
            self._kept.setdefault(name, []).append(values)
        self._steps.append(state.loop_step)

    @property
    def steps(self) -> Tensor:
        """Steps (T,) of the samples."""
        return torch.tensor(self._steps, dtype=torch.int64)

    @property
    def track(self) -> Track:
        """All samples so far."""
        count = len(self._steps)  # read once: a run may continue in another thread
        if not count:
            raise LabkitError("Response: there are no samples yet; run simulate with it")
        series = {
            name: torch.stack(values[:count], 0 if name == "velocities" else 1)
            for name, values in self._kept.items()
            if name != "temperature"
        }
        if "born_charges" in series:
            series["current"] = series.pop("born_charges")
        warm = float(torch.stack(self._kept["temperature"][:count]).mean())
        state = self.run.state
        return Track(state.system, self.every * abs(self._dt), warm, volume(state), **series)

    def infrared(self, **options: Any) -> Spectrum:
        """Infrared absorption so far, as `labkit.spectra.infrared`."""
        return self.track.infrared(**options)

    def raman(self, **options: Any) -> Raman:
        """Raman scattering so far, as `labkit.spectra.raman`."""
        return self.track.raman(**options)

    def density_of_states(self, **options: Any) -> DensityOfStates:
        """Vibrational density of states so far, as `labkit.spectra.density_of_states`."""
        return self.track.density_of_states(**options)

    def position(self) -> dict[str, Any]:
        """What a checkpoint stores."""
        if self._neighbours is not None:
            self._neighbours.reset()  # so that a resumed run has the same bits
        return {name: torch.stack(values) for name, values in self._kept.items()} | {"steps": self.steps}

    def rewind(self, position: dict[str, Any], run: Run) -> None:
        """Restore what a checkpoint stored."""
        if self._neighbours is not None:
            self._neighbours.reset()
        kept = dict(position)
        self.run, self._dt = run, run.dt
        self._steps = kept.pop("steps").tolist()
        self._kept = {name: list(values.cpu().unbind()) for name, values in kept.items()}
