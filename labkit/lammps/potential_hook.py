"""A labkit potential in LAMMPS: forces, energy and virial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from labkit.base import Potential
from labkit.errors import LabkitError
from labkit.lammps.hook import Hook

if TYPE_CHECKING:
    from labkit.lammps.host import Host

#: LAMMPS's order of the six components of a virial
VOIGT = ([0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2])


class PotentialHook(Hook):
    """Adds a potential's forces, and reports energy and virial."""

    def __init__(self, host: Host, name: str, group: str, what: Potential, virial: bool) -> None:
        super().__init__(host, name, group, what)
        self.virial = virial

    def call(self, step: int, external: np.ndarray) -> None:
        host, lmp, units, rows = self.host, self.host.lmp, self.host.units, self.group.rows()
        state = self.group.state(host.count(step), rows)
        # the other forces on these atoms, and the time (one of two evaluations per step is at its middle), for models
        # that need them
        time = (state.loop_step + (step - host.first) % host.evaluations / host.evaluations) * host.dt
        state.atom_aux["acting"], state.aux["time"] = state.forces, torch.tensor([time], dtype=torch.float64)
        periodic = state.system.pbc[0]
        wanted = self.virial and bool(periodic.all())
        found = self.what.evaluate(state, forces=True, stress=wanted)
        external[rows] = found.forces.detach().cpu().numpy() / units.force
        energy = float(found.energy[0])
        if not (np.isfinite(energy) and np.isfinite(external).all()):
            raise LabkitError(f"the energy ({energy:g} eV) or a force is not finite; atoms may be too close")
        lmp.fix_external_set_energy_global(self.name, energy / units.energy)
        if self.virial and not bool(periodic.any()):
            stress = -torch.einsum("na,nb->ab", state.positions - state.positions[0], found.forces)
            self._report(0.5 * (stress + stress.mT))
        elif wanted:
            self._report(found.stress[0] * state.volume()[0])

    def _report(self, tension: torch.Tensor) -> None:
        """The virial -dE/dstrain [eV], from which LAMMPS computes the pressure."""
        virial = (-tension.detach().cpu().numpy() / self.host.units.energy)[VOIGT]
        self.host.lmp.fix_external_set_virial_global(self.name, virial.tolist())
