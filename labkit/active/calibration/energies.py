"""Calibration: an uncertainty brought to the size of the errors of labelled frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from labkit.active.calibration.marks import frame_marks, marks_of, refuse
from labkit.active.calibration.power_law import power_law
from labkit.active.uncertainty import Spread, Uncertainty
from labkit.base import Evaluation, Potential, State
from labkit.base.frames import batches
from labkit.datasets import Dataset
from labkit.errors import LabkitError


@dataclass(frozen=True, eq=False)
class Calibrated:
    """An uncertainty of energies, N a (σ/N)^b instead of σ for a system of N atoms; σ in eV, `scale` a in eV^(1-b).

    Values of atoms are multiplied by the factor of their system, so that their order within it remains. `frames` are
    the marks of the frames that it was fitted to.
    """

    uncertainty: Uncertainty
    scale: float
    exponent: float
    frames: tuple[str, ...] = ()

    def __call__(self, state: State, evaluation: Evaluation | None = None) -> Spread:
        """The calibrated spread at a state."""
        spread = self.uncertainty(state, evaluation)
        counts = state.system.counts.to(spread.per_system)
        factor = self.scale * (spread.per_system / counts).clamp(min=1e-12) ** (self.exponent - 1)
        atoms = None if spread.per_atom is None else spread.per_atom * factor[state.system.index]
        return replace(spread, per_system=spread.per_system * factor, per_atom=atoms, calibrated=True)


def calibrate(
    uncertainty: Uncertainty, potential: Potential, frames: Dataset, *, queried: Dataset | Iterable[Dataset] = ()
) -> Calibrated:
    """Fit a and b to the errors e of the energies of frames that the potential was not trained on.

    The errors are taken as normal: maximum of -Σ (ln s + e²/(2 s²)), with s = N a (σ/N)^b, and a normal prior of b
    about 1 of width 1; b is kept between 0.5 and 3. The prior of a GAP is the same everywhere and its misfit is not,
    so that σ ranks errors better than it sizes them. Give some twenty frames of each kind that σ is needed for.

    queried   frames that were trained on or chosen for their spread; it is checked that none of them is in `frames`

    Raises LabkitError for an uncertainty whose unit is not eV, or fewer than four frames with an energy.
    Source: Musil, Willatt, Langovoy, Ceriotti, J. Chem. Theory Comput. 15, 906 (2019).

    >>> import labkit
    >>> from labkit.active import GpVariance, calibrate
    >>> from labkit.gap import Design, GapConfig, Soap
    >>> model = Design.build(labkit.datasets.ice("train", n=50)[:6], GapConfig(Soap(n_max=3, l_max=2))).solve()
    >>> valid = labkit.datasets.ice("valid")
    >>> spread = calibrate(GpVariance(model), model, valid[:12])(valid.state([12, 13]))
    >>> spread.calibrated, tuple(spread.per_system.shape)
    (True, (2,))
    """
    marks = frame_marks(frames)
    refuse(marks, marks_of(queried), "calibration", "queried or trained on")
    known = np.flatnonzero(np.isfinite(frames.energy))
    if len(known) < 4:
        raise LabkitError(
            f"{frames.name or 'frames'}: {len(known)} frames have an energy; calibration needs at least 4, which the "
            "potential was not trained on"
        )
    errors, spreads = [], []
    for batch in batches([int(frames.counts[k]) for k in known]):
        state = frames.state([int(known[k]) for k in batch])
        evaluation = potential.evaluate(state)
        spread = uncertainty(state, evaluation)
        if spread.unit_per_system != "eV":
            raise LabkitError(
                f"calibrate: the uncertainty is in {spread.unit_per_system or 'no unit'}; expected energies in eV"
            )
        counts = state.system.counts.cpu().numpy()
        found = evaluation.energy.detach().cpu().numpy()
        errors.append((found - frames.energy[known[list(batch)]]) / counts)
        spreads.append(spread.per_system.detach().cpu().numpy() / counts)
    return Calibrated(uncertainty, *power_law(np.concatenate(errors), np.concatenate(spreads)), marks)
