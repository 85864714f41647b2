"""without_prior(): labels minus the results of a fixed potential, so that a network learns the difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from labkit.base import Potential
from labkit.base.frames import batches
from labkit.datasets import Dataset
from labkit.errors import LabkitError


def without_prior(data: Dataset, prior: Potential | None) -> Dataset:
    """The frames, with the energies, forces and stresses of a potential subtracted; NaN stays NaN.

    Raises LabkitError, naming the frame, where the potential's result is not finite.

    >>> from labkit.datasets import ice
    >>> from labkit.neural.priors import Zbl
    >>> ds = ice("train", n=50)
    >>> bool(np.abs(without_prior(ds, Zbl(["H", "O"])).energy - ds.energy).max() < 2)
    True
    """
    if prior is None:
        return data
    energy, forces, stress = (np.array(x, float) for x in (data.energy, data.forces, data.stress))
    for rows in batches(data.counts.tolist()):
        state = data.state(rows)
        stressed = [k for k, row in enumerate(rows) if np.isfinite(stress[row]).any()]
        found = prior.evaluate(state)
        for k, row in enumerate(rows):
            if not np.isfinite(float(found.energy[k])):
                raise LabkitError(
                    f"{data.name or 'training data'}, frame {row}: the prior {type(prior).__name__} has no finite "
                    "energy there; remove the frame, or look for atoms that lie on each other"
                )
        energy[rows] -= found.energy.detach().cpu().numpy()
        forces[data.offsets[rows[0]] : data.offsets[rows[-1] + 1]] -= found.forces.detach().cpu().numpy()
        if stressed:
            which = [rows[k] for k in stressed]
            stress[which] -= prior.evaluate(data.state(which), stress=True).stress.detach().cpu().numpy()
    return replace(data, energy=energy, forces=forces, stress=stress)
