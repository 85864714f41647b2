"""Energies, temperature and pressure along a run, as a CSV file."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor

from labkit.base import Evaluation, State
from labkit.engine.cell_rescaling import internal_pressure
from labkit.engine.held import refuse_held
from labkit.engine.kinetic import kinetic_energy, temperature_under
from labkit.engine.observers.files import FileObserver, Growing
from labkit.engine.run import Run
from labkit.errors import LabkitError
from labkit.units import GPA


class Thermodynamics(FileObserver):
    """A row for each system and each `every` steps.

    Columns: step, time [ps], system, potential, kinetic and total energy [eV], temperature [K]; conserved [eV] if
    the integrator has `conserved(state) -> (S,)`; with `pressure=True` pressure [GPa] and volume [Å^3], which costs
    one more evaluation per row unless a barostat left the stress in `aux`.

    Raises LabkitError when the pressure is requested and a system is not periodic or has held atoms, or the file cannot
    be written.

    >>> log = Thermodynamics("run.csv", every=10)
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 100, *, pressure: bool = False) -> None:
        super().__init__(every)
        self.path, self.pressure = path, pressure

    @property
    def settings(self) -> dict[str, Any]:
        return {"pressure": self.pressure}

    def prepare(self, run: Run) -> list[Growing]:
        if self.pressure and not bool(run.state.system.pbc.all()):
            raise LabkitError(
                f"{self.path}: the pressure was requested, but a system is not periodic in all directions; "
                "set pressure=False"
            )
        if self.pressure:
            refuse_held(run.state.system, str(self.path), "then there is no pressure: set pressure=False")
        return self.files if self.files else [Growing(self.path)]

    def header(self) -> None:
        names = ["step", "time_ps", "system", "potential_eV", "kinetic_eV", "total_eV", "temperature_K"]
        names += ["conserved_eV"] if self._conserved(self.run.state) is not None else []
        names += ["pressure_GPa", "volume_A3"] if self.pressure else []
        self.files[0].append((",".join(names) + "\n").encode())

    def write(self, state: State, evaluation: Evaluation) -> None:
        columns = self._columns(state, evaluation)
        rows = torch.stack([c.detach().to(torch.float64) for c in columns], 1).tolist()  # one copy from the device
        begin = f"{state.loop_step},{state.loop_step * self.run.dt * 1e-3:.10g}"
        text = "".join(f"{begin},{s},{','.join(f'{x:.12g}' for x in row)}\n" for s, row in enumerate(rows))
        self.files[0].append(text.encode())

    def _columns(self, state: State, evaluation: Evaluation) -> list[Tensor]:
        potential, kinetic = evaluation.energy, kinetic_energy(state)
        columns = [potential, kinetic, potential + kinetic, temperature_under(state, self.run.integrator)]
        conserved = self._conserved(state)
        if conserved is not None:
            columns.append(conserved)
        if self.pressure:
            stress = state.aux.get("stress")  # a barostat has computed it at these positions
            if stress is None:
                stress = self.run.potential.evaluate(state, forces=False, stress=True).stress
            columns += [self._pressure(state, stress), state.volume()]
        return columns

    def _pressure(self, state: State, stress: Tensor) -> Tensor:
        """GPa; that of the centres of the integrator's clusters of constraints, as in a barostat."""
        integrator = self.run.integrator  # None if LAMMPS moves the atoms
        constraints = None if integrator is None else integrator.constraints
        return internal_pressure(state.replace(aux={**state.aux, "stress": stress}), constraints) / GPA

    def _conserved(self, state: State) -> Tensor | None:
        return None if self.run.integrator is None else self.run.integrator.conserved(state)
