"""Samples: errors of a potential on labelled frames beside the sigmas of its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from labkit.active.calibration.correlation import blocks
from labkit.active.calibration.measures.perfect import largest
from labkit.active.uncertainty import Uncertainty
from labkit.base import Potential
from labkit.base.frames import batches
from labkit.datasets import Dataset
from labkit.datasets.split import grouping
from labkit.errors import LabkitError

ATOMS = 240  # of a batch: the variance of a GAP's forces takes about a megabyte for each atom


@dataclass(frozen=True, eq=False)
class Samples:
    """n errors with their sigmas, in the order of the frames.

    errors   (n,)  eV/Å: of force components, or lengths of the error of the force on an atom; eV per atom of energies
    sigmas   (n,)  in `unit`; of a component 1/√3 of that of its atom
    frame    (n,)  number of the frame
    run      (n,)  name of its run
    species  (n,)  symbol of the element, or name of the bead; "" for energies
    unit           "eV/Å"; "eV" or "" for a score of atoms; "eV/atom" for energies
    dof            1, or 3 for atoms: as in `perfect`
    """

    errors: np.ndarray
    sigmas: np.ndarray
    frame: np.ndarray
    run: np.ndarray
    species: np.ndarray
    unit: str
    dof: int

    @classmethod
    def of(
        cls,
        uncertainty: Uncertainty,
        potential: Potential,
        frames: Dataset,
        per: Literal["component", "atom", "energy"] = "atom",
    ) -> Samples:
        """Evaluate frames; atoms with a missing component and frames without an energy are left out.

        Raises LabkitError if there is no label, the spread has no values per atom, or energies have another unit.

        >>> import labkit
        >>> from labkit.active import GpVariance
        >>> from labkit.gap import Design, GapConfig, Soap
        >>> model = Design.build(labkit.datasets.ice("train", n=50)[:6], GapConfig(Soap(n_max=3, l_max=2))).solve()
        >>> found = Samples.of(GpVariance(model), model, labkit.datasets.ice("valid")[:2])
        >>> found.errors.shape, found.unit, found.species[:3].tolist()
        ((24,), 'eV', ['O', 'H', 'H'])
        """
        if per not in ("component", "atom", "energy"):
            raise LabkitError(f"per is {per!r}; expected 'component', 'atom' or 'energy'")
        forces, where = per != "energy", frames.name or "the frames"
        parts, unit = [], ""
        for batch in batches([int(n) for n in frames.counts], ATOMS):
            state = frames.state(batch)
            with torch.no_grad():
                evaluation = potential.evaluate(state, forces=forces)
                spread = uncertainty(state, evaluation)
                if forces and spread.per_atom is None:  # the evaluation lacks what these come from
                    spread = uncertainty(state)
            counts = state.system.counts.cpu().numpy()
            names = np.empty(state.system.n_atoms, dtype=object)
            for kind, atoms in state.system.of_kinds.items():
                names[atoms.cpu().numpy()] = kind
            if forces:
                if spread.per_atom is None:
                    raise LabkitError("the uncertainty gave no values per atom; use one of forces or environments")
                error = evaluation.forces.cpu().numpy() - frames.label("forces", batch)
                sigma, unit = spread.per_atom.cpu().numpy(), spread.unit_per_atom
            else:
                error = (evaluation.energy.cpu().numpy() - frames.label("energy", batch)) / counts
                sigma, unit = spread.per_system.cpu().numpy() / counts, f"{spread.unit_per_system}/atom"
            parts.append((error, sigma, np.repeat(batch, counts) if forces else np.array(batch), names))
        if not parts:
            raise LabkitError(f"{where}: no frames; expected at least one with labels")
        if not forces and unit != "eV/atom":
            raise LabkitError(f"the uncertainty of a frame is in {unit[:-5] or 'no unit'}; expected energies in eV")
        error, sigma, frame, names = (np.concatenate(x) for x in zip(*parts, strict=True))
        known = np.isfinite(error).all(1) if forces else np.isfinite(error)
        if not known.any():
            raise LabkitError(f"{where}: none has {'forces' if forces else 'an energy'}; calibration needs labels")
        error, sigma, frame = error[known], sigma[known].astype(float), frame[known]
        species = names[known].astype(str) if forces else np.full(len(frame), "")
        if per == "component":
            sigma, frame, species = np.repeat(sigma / np.sqrt(3), 3), np.repeat(frame, 3), np.repeat(species, 3)
        elif forces:
            error = np.linalg.norm(error, axis=1)
        run = runs_of(frames)[frame]
        return cls(error.ravel(), sigma, frame, run, species, unit, 3 if per == "atom" else 1)

    @property
    def group(self) -> np.ndarray:
        """Block of a run that each sample belongs to, for error bars; see `blocks`."""
        _, first, index = np.unique(self.frame, return_index=True, return_inverse=True)
        return blocks(largest(np.abs(self.errors), self.frame), self.run[first])[index]


def runs_of(frames: Dataset) -> np.ndarray:
    """The run of each frame, by the info that names it; all are of one run if nothing does."""
    name = grouping(frames)
    infos: Sequence[dict] = frames.info
    return np.array([str(info[name]) for info in infos] if name else [""] * len(frames))
