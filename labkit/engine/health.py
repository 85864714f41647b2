"""Finding the first bad step of a run, without waiting for the GPU at each step."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.base import State
from labkit.units import KINETIC

#: An atom that moves further than this in one step [Å], and has a kinetic energy above `HOT`, has exploded.
LEAP = 1.0
#: eV; 100,000 K and more. A hot gas with a small timestep, or a cold one with a large one, is fine.
HOT = 20.0
#: eV an atom by which the potential energy may differ from that at the start of a run.
FALL = 1e4


class Health:
    """Whether a run can continue from a state: finite, and not exploding.

    Exploding is |v| dt > 1 Å together with m v² / 2 > 20 eV for an atom, or a potential energy more than 10⁴ eV an
    atom away from that at the start.
    """

    def __init__(self, state: State, dt: float) -> None:
        energy = state.energy
        self.dt = abs(float(dt))
        self._allowed = FALL * state.system.counts
        self._energy = None if energy is None else energy.detach().clone()

    def good(self, state: State) -> bool:
        """One number from the device, whatever the size of the batch."""
        positions, energy, velocities = state.positions, state.energy, state.velocities
        fine = torch.isfinite(positions.sum() + velocities.sum()) & ~self._leaps(state).any()
        if energy is not None and self._energy is not None:
            fine = fine & ((energy - self._energy).abs() <= self._allowed).all()
        return bool(fine)

    def complaint(self, state: State) -> str:
        """Which systems and atoms are wrong, and how; only called after `good` returned False."""
        lost = ~torch.isfinite(state.positions).all(1) | ~torch.isfinite(state.velocities).all(1)
        if bool(lost.any()):
            return f"{_atoms(state, lost)}: the position or velocity is not a number"
        leaps = self._leaps(state)
        if bool(leaps.any()):
            fastest = float(state.velocities.norm(dim=1).max())
            return f"{_atoms(state, leaps)}: moves by {fastest * self.dt:.3g} Å in one step"
        energy = state.energy
        wrong = torch.nonzero(~((energy - self._energy).abs() <= self._allowed)).flatten().tolist()
        values = ", ".join(f"{float(energy[s]):.6g} eV (at the start {float(self._energy[s]):.6g})" for s in wrong[:3])
        forces = state.forces
        pushed = torch.zeros_like(lost) if forces is None else forces.norm(dim=1) == forces.norm(dim=1).max()
        where = _atoms(state, pushed) if bool(pushed.any()) else f"system {wrong[0]}, all atoms"
        return f"system {', '.join(map(str, wrong[:5]))}: the energy is {values}; largest force: {where}"

    def advice(self, state: State) -> str:
        """What to do about a state that is wrong before the first step."""
        if not bool(torch.isfinite(state.positions).all() & torch.isfinite(state.velocities).all()):
            return "check the source of the positions and velocities"
        if bool(self._leaps(state).any()):
            return "give it slower velocities, as maxwell_boltzmann does, or a smaller timestep"
        return "atoms may overlap: minimise the energy first, or check the positions"

    def _leaps(self, state: State) -> Tensor:
        square = state.velocities.square().sum(1)
        return (square * self.dt**2 > LEAP**2) & (0.5 * KINETIC * state.system.free_masses * square > HOT)


def _atoms(state: State, mask: Tensor) -> str:
    """`system 0, atoms 3, 5 and 12 more`, numbered within the first system concerned."""
    found = torch.nonzero(mask).flatten()
    system = int(state.system.index[found[0]])
    here = (found[state.system.index[found] == system] - state.system.offsets[system]).tolist()
    others = f" and {len(found) - len(here[:5])} more" if len(found) > len(here[:5]) else ""
    return f"system {system}, atom{'s' if len(here) > 1 else ''} {', '.join(map(str, here[:5]))}{others}"
