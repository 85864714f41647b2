"""Expected answers of notebook 00_start_here."""

from __future__ import annotations

import numpy as np

from labkit.datasets import Dataset
from labkit.exercises.catalogue import exercise
from labkit.exercises.expected import Expected


@exercise("00.2", "The largest force of a frame", unit="eV/Å")
def largest_force(frames: Dataset) -> Expected:
    """The largest |F_i| of the first frame, F (n, 3)."""
    forces = frames[0].forces
    sizes = np.linalg.norm(forces, axis=1)
    mistakes = {
        np.abs(forces).max(): "That is the largest component; the force of an atom has three: F² = Fx² + Fy² + Fz².",
        forces.max(): "That is the largest component; the force of an atom has three, and some are negative.",
        np.linalg.norm(frames.forces, axis=1).max(): "That is the largest force of all frames; take frames[0] alone.",
        sizes.mean(): "That is the mean over the atoms; give the largest.",
        float(sizes.argmax()): "That is the index of the atom; give the force on it.",
    }
    why = "It acts on an oxygen: one of its O–H bonds is stretched and pulls it back."
    return Expected(float(sizes.max()), rel=0.02, mistakes=mistakes, why=why)
