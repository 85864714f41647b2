"""How the spread of a committee converges with its members: a measure for scans."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import spearmanr

from labkit.active.uncertainty import Uncertainty
from labkit.base import Potential
from labkit.base.frames import batches
from labkit.datasets import Dataset
from labkit.errors import LabkitError


def spread_measure(frames: Dataset) -> Callable[[Potential, Uncertainty | None], dict[str, float]]:
    """A `measure` for learning: of the spreads of labelled frames their mean, and how well they rank errors.

    spread    mean over atoms of the spread per atom (over systems where there is none), in its unit
    spearman  rank correlation of it with the size of the error of each atom's force (with that of energies)
    """

    def measure(potential: Potential, uncertainty: Uncertainty | None) -> dict[str, float]:
        if uncertainty is None:
            raise LabkitError("spread_measure: this strategy has no uncertainty; give it one, or leave the measure out")
        spreads, errors = [], []
        for rows in batches(frames.counts.tolist()):
            state = frames.state(rows)
            found = potential.evaluate(state)
            spread = uncertainty(state)
            if spread.per_atom is None:
                spreads.append(spread.per_system.detach())
                errors.append((found.energy - torch.from_numpy(frames.energy[rows])).abs())
            else:
                spreads.append(spread.per_atom.detach())
                errors.append((found.forces - torch.from_numpy(frames.label("forces", rows))).norm(dim=1))
        sizes, wrong = torch.cat(spreads).numpy(), torch.cat(errors).numpy()
        varies = np.ptp(sizes) > 0 and np.ptp(wrong) > 0
        return {
            "spread": float(sizes.mean()),
            "spearman": float(spearmanr(sizes, wrong)[0]) if varies else float("nan"),
        }

    return measure
