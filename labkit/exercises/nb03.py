"""Expected answers of notebook 03_overfitting."""

from __future__ import annotations

import numpy as np
import pandas as pd

from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.exercises.catalogue import exercise
from labkit.exercises.expected import Expected

ROUNDED = 0.07  # of a ratio of two errors that were read from a table and rounded


@exercise("03.1", "The best sigma for noisy energies", unit="eV/√atom")
def best_sigma(table: pd.DataFrame) -> Expected:
    """The sigma at which the validation error of a sweep is smallest."""
    validation, training = table["valid", "energy"], table["train", "energy"]
    mistakes = {
        float(training.idxmin()): "There the training error is smallest: the noise is fitted. Look at new frames.",
        float(validation.idxmax()): "There the validation error is largest.",
        float(validation.min()): "That is the error itself; give the sigma at which it occurs.",
        float(table["log evidence", ""].idxmax()): "That is the choice of the evidence; here validation decides.",
    }
    right = float(validation.idxmin())
    mistakes = {value: text for value, text in mistakes.items() if not np.isclose(value, right)}
    why = (
        "It is near the noise that was added: 5 meV/atom in frames of 12 atoms are 60 meV, which is "
        "0.060 eV / √12 = 0.017 eV/√atom. Sigma is the size of the errors of the labels."
    )
    return Expected(right, rel=0.3, mistakes=mistakes, why=why)


@exercise("03.2", "How far overfitting goes")
def rise(table: pd.DataFrame) -> Expected:
    """Validation error at the smallest sigma over its minimum."""
    validation = table["valid", "energy"]
    right = float(validation.iloc[0] / validation.min())
    mistakes = {
        1 / right: "Upside down: it is larger at the smallest sigma.",
        right - 1: "That is by how much it rises; give the ratio itself.",
        100 * (right - 1): "That is in per cent; give the ratio.",
        float(validation.iloc[-1] / validation.min()): "That is the other end, where sigma is too large.",
    }
    return Expected(right, rel=ROUNDED, mistakes=mistakes)


@exercise("03.3", "What is wrong with the colleague's frames")
def shift(strange: Dataset, train: Dataset) -> Expected:
    """The shift s, where frame k has the forces of frame k + s."""
    atoms = int(train.counts[0])
    first = strange.forces[:atoms]
    places = [k for k in range(len(train)) if np.array_equal(train[k].forces, first)]
    right = places[0]
    mistakes = {-right: "The other way round: frame 0 has the forces of which frame?"}
    mistakes[right - len(train)] = mistakes[-right]
    return Expected(right, mistakes=mistakes, why="A line was lost, and everything below it moved up.")


@exercise("03.4", "How early the variance warns", unit="fs", optional=True)
def warning(path: pd.DataFrame, limit: float) -> Expected:
    """From the first spread above `limit` to an energy 0.3 eV below that of the minimum."""
    fallen = path.index[path["energy"] < -0.3]
    early = path.index[path["spread"] > limit]
    if not len(fallen) or not len(early):
        raise LabkitError("this trajectory did not fall into a hole; take another one, as in dynamics(..., seed=2)")
    right = float(fallen[0] - early[0])
    mistakes = {float(fallen[0]): "That is when it has fallen; how long before did the spread cross the limit?"}
    mistakes[float(early[0])] = "That is when the spread crosses the limit; how long before the fall is that?"
    mistakes[-right] = "The right size, but the warning comes before the fall: give a positive time."
    return Expected(right, abs=5.0, mistakes=mistakes)
