"""Errors of a potential on frames that it has not been trained on."""

from __future__ import annotations

import numpy as np

from labkit.base.frames import batches
from labkit.datasets import Dataset
from labkit.neural import NeuralPotential

ATOMS = 2000  # in a batch


def held_out_errors(potential: NeuralPotential, frames: Dataset, name: str) -> dict[str, object]:
    """Mean absolute and rms errors, with the units in their names; NaN if no frame has that label.

    >>> from labkit.datasets import ice
    >>> from labkit.neural import untrained
    >>> some = ice("train", n=50)
    >>> list(held_out_errors(untrained(some, channels=4), some[:2], "test"))[:3]
    ['frames', 'number', 'energy MAE eV']
    """
    energy, forces, stress = [], [], []
    stressed = bool(np.isfinite(frames.stress).any())
    for rows in batches(frames.counts.tolist(), ATOMS):
        found = potential.evaluate(frames.state(rows), stress=stressed)
        energy.append(found.energy.numpy() - frames.energy[rows])
        forces.append((found.forces.numpy() - frames.label("forces", rows)).reshape(-1))
        if stressed:
            stress.append((found.stress.numpy() - frames.stress[rows]).reshape(-1))
    total = np.concatenate(energy)
    per_atom, of_forces = total / frames.counts, np.concatenate(forces)
    return {
        "frames": name,
        "number": len(frames),
        "energy MAE eV": _mae(total),
        "energy MAE eV/atom": _mae(per_atom),
        "energy RMSE eV/atom": _rmse(per_atom),
        "forces MAE eV/Å": _mae(of_forces),
        "forces RMSE eV/Å": _rmse(of_forces),
        "stress RMSE eV/Å^3": _rmse(np.concatenate(stress)) if stressed else float("nan"),
    }


def _mae(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.abs(known).mean()) if len(known) else float("nan")


def _rmse(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.sqrt((known**2).mean())) if len(known) else float("nan")
