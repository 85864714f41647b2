"""Where a run starts, and what its potential gives there: what a checkpoint holds to tell its run from others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from torch import Tensor

from labkit.base import Potential, State
from labkit.base.external_potential import ExternalPotential

_KEPT = {"positions": "Å", "velocities": "Å/fs", "cell": "Å"}
_CLOSE = 1e-5  # of the largest value: a start that was prepared again may differ in the last digits
_FORCES, _ENERGY = 1e-4, 1e-4  # of the largest force, and eV per atom: self-consistent fields converge no further


@dataclass(frozen=True, eq=False)
class Start:
    """Positions, velocities, cell and step of the state that a run was given."""

    step: int
    tensors: dict[str, Tensor]

    @classmethod
    def of(cls, state: State) -> Self:
        return cls(state.loop_step, {name: getattr(state, name).detach().cpu() for name in _KEPT})

    def differences(self, other: Start) -> list[str]:
        """Sentences on what differs from another start, with the largest difference."""
        found = [f"starts at step {self.step}, this run at step {other.step}"] if self.step != other.step else []
        for name, unit in _KEPT.items():
            one, two = self.tensors[name].double(), other.tensors[name].double()
            away = (one - two).abs()
            size = max(float(one.abs().max()), float(two.abs().max())) if one.numel() else 0.0
            if one.numel() and not float(away.max()) <= _CLOSE * size:
                found.append(f"starts from other {name} (they differ by up to {float(away.max()):.2g} {unit})")
        return found


@dataclass(frozen=True, eq=False)
class Probe:
    """Energies and forces of a potential that other programs compute, whose settings labkit cannot see.

    A run that resumes computes them again at the same positions.
    """

    state: dict[str, Tensor]
    step: Tensor
    energy: Tensor
    forces: Tensor

    @classmethod
    def of(cls, state: State, potential: Potential) -> Self | None:
        """The probe of a state with forces; None for potentials whose settings are all known."""
        if not any(isinstance(part, ExternalPotential) for part in potential.modules()):
            return None
        kept = {name: getattr(state, name).detach().cpu() for name in ("positions", "cell")}
        return cls(kept, state.step, state.energy.detach().cpu(), state.forces.detach().cpu())

    def differs(self, like: State, potential: Potential) -> str:
        """What the potential gives differently now, with its size, or ""; a random one is not compared."""
        there = {name: value.to(like.positions.device) for name, value in self.state.items()}
        state = like.replace(**there, step=self.step, forces=None, energy=None, aux={}, atom_aux={})
        off = self._off(state, potential)
        return off if off and self._off(state, potential) == off else ""

    def _off(self, state: State, potential: Potential) -> str:
        potential.reset()
        found = potential.evaluate(state)
        potential.reset()
        atoms = state.system.counts.cpu().to(self.energy)
        forces = float((found.forces.cpu() - self.forces).abs().max())
        energy = float(((found.energy.cpu() - self.energy) / atoms).abs().max())
        if not forces <= _FORCES * float(self.forces.abs().max()) + 1e-6:
            return f"forces (by up to {forces:.2g} eV/Å)"
        return "" if energy <= _ENERGY else f"energies (by {energy:.2g} eV per atom)"


def packed(start: Start, probe: Probe | None) -> tuple[dict[str, Tensor], int]:
    """Both as tensors of a file, and the step of the start; `unpacked` is the inverse."""
    tensors = {f"start.{name}": value for name, value in start.tensors.items()}
    if probe is not None:
        tensors |= {f"probe.{name}": value for name, value in probe.state.items()}
        tensors |= {"probe.step": probe.step, "probe.energy": probe.energy, "probe.forces": probe.forces}
    return tensors, start.step


def unpacked(tensors: dict[str, Tensor], step: int) -> tuple[Start, Probe | None]:
    """Take both out of `tensors`."""
    found = {n: tensors.pop(n).cpu() for n in list(tensors) if n.startswith(("start.", "probe."))}
    start = Start(step, {name: found[f"start.{name}"] for name in _KEPT})
    if "probe.energy" not in found:
        return start, None
    kept = {name: found[f"probe.{name}"] for name in ("positions", "cell")}
    return start, Probe(kept, *(found[f"probe.{name}"] for name in ("step", "energy", "forces")))
