"""Any ASE calculator as a potential."""

from __future__ import annotations

import warnings

import ase
import numpy as np
import torch
from ase.calculators.abc import GetPropertiesMixin

from labkit.base.external_potential import ExternalPotential
from labkit.base.potential import Evaluation
from labkit.base.state import State
from labkit.base.system import System
from labkit.errors import LabkitError


class AsePotential(ExternalPotential):
    """An ASE calculator: energy, forces and, if it has one, stress. The slow path.

    The systems of a batch go to the calculator one after another, through numpy and ase.Atoms, on the CPU; each costs
    what it costs in ASE. The energy is the one consistent with the forces ("free_energy" if there is one). Raises
    LabkitError, naming the system, with the message of any error of the calculator.

    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> float(AsePotential(EMT()).evaluate(State.from_atoms(bulk("Cu"))).energy[0])  # doctest: +SKIP
    """

    def __init__(self, calculator: GetPropertiesMixin) -> None:
        super().__init__()
        if not hasattr(calculator, "get_property"):
            raise LabkitError(f"AsePotential: {calculator!r} is not an ASE calculator (it has no get_property)")
        self.calculator = calculator
        self._frames: tuple[System, list[ase.Atoms]] | None = None
        warnings.warn(f"{self.name} is the slow path: one system after another, through ase.Atoms", stacklevel=2)

    def compute(self, state: State, *, forces: bool, stress: bool) -> Evaluation:
        known = getattr(self.calculator, "implemented_properties", ["energy", "forces", "stress"])
        if stress and "stress" not in known:
            raise LabkitError(f"{self.name}: this calculator has no stress; run at constant volume, or use another one")
        wanted = ["free_energy" if "free_energy" in known else "energy"]
        wanted += [name for name, asked in (("forces", forces), ("stress", stress)) if asked]
        rows = [self._properties(frame, s, wanted) for s, frame in enumerate(self._atoms(state))]
        energy, like = torch.tensor([float(row[0]) for row in rows], dtype=torch.float64), state.positions
        found = {name: np.stack(part) if name == "stress" else np.concatenate(part)
                 for name, part in zip(wanted[1:], list(zip(*rows, strict=True))[1:], strict=True)}  # fmt: skip
        return Evaluation(energy.to(like), **{name: torch.as_tensor(part).to(like) for name, part in found.items()})

    def reset(self) -> None:
        """Also clear the results kept by the calculator, so that a resumed run finds it in the same state."""
        super().reset()
        self._frames = None
        if callable(getattr(self.calculator, "reset", None)):
            self.calculator.reset()

    def _properties(self, frame: ase.Atoms, s: int, names: list[str]) -> list[np.ndarray | float]:
        try:
            found = [self.calculator.get_property(name, frame) for name in names]
        except Exception as error:
            raise LabkitError(f"system {s}: {self.name} failed: {type(error).__name__}: {error}") from error
        return [_matrix(value) if name == "stress" else value for name, value in zip(names, found, strict=True)]

    def _atoms(self, state: State) -> list[ase.Atoms]:
        """The systems as ase.Atoms, the same objects while only positions and cells change."""
        if self._frames is None or self._frames[0] is not state.system:
            self._frames = (state.system, state.replace(forces=None).to_atoms())
        frames = self._frames[1]
        positions, cells = state.positions.detach().cpu().numpy(), state.cell.detach().cpu().numpy()
        for frame, cell, start in zip(frames, cells, state.system.offsets, strict=False):
            frame.set_cell(cell)
            frame.positions = positions[start : start + len(frame)]
        return frames

    @property
    def name(self) -> str:
        return f"AsePotential({type(self.calculator).__name__})"


def _matrix(stress: np.ndarray) -> np.ndarray:
    from ase.stress import voigt_6_to_full_3x3_stress

    return voigt_6_to_full_3x3_stress(stress) if np.shape(stress) == (6,) else np.asarray(stress)
