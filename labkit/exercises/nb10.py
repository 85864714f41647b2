"""Expected answers of notebook 10_uncertainty."""

from __future__ import annotations

import numpy as np
import pandas as pd

from labkit.active.calibration import Samples, frames_needed
from labkit.errors import LabkitError
from labkit.exercises.catalogue import exercise
from labkit.exercises.expected import Expected
from labkit.panels.uncertainty_figures import ERROR, SIGMA

SHARE, CONFIDENCE, TIMES = 0.9, 0.95, 3.0


@exercise("10.1", "The factor that makes σ right")
def factor(samples: Samples) -> Expected:
    """√mean(e²/σ²)."""
    right = float(np.sqrt(np.mean((samples.errors / samples.sigmas) ** 2)))
    mistakes = {
        1 / right: "Upside down: σ is multiplied by the factor.",
        right**2: "That is its square; take the root.",
    }
    mistakes = {value: words for value, words in mistakes.items() if abs(value / right - 1) > 0.3}
    why = "With it the mean of (error/σ)² is 1. The ranks, and so Spearman's ρ and the ROC, stay as they were."
    return Expected(right, rel=0.15, mistakes=mistakes, why=why)


@exercise("10.2", "Where the promise breaks", unit="Å")
def broken(lengths: np.ndarray, worst: pd.DataFrame) -> Expected:
    """The first length beyond 1 Å at which the true error exceeds 3 σ."""
    error, sigma = worst[ERROR].to_numpy(), worst[SIGMA].to_numpy()
    beyond = np.flatnonzero((np.asarray(lengths) > 1.0) & (error > TIMES * sigma))
    if not len(beyond):
        raise LabkitError("the error exceeds 3 σ nowhere beyond 1 Å; give the columns of the GP variance")
    right = float(lengths[beyond[0]])
    step = float(np.diff(lengths).min())
    mistakes = {float(beyond[0]): "That is the number of the frame; give its length.", float(lengths[0]): "Beyond 1 Å."}
    above = np.flatnonzero((np.asarray(lengths) > 1.0) & (error > sigma))
    if abs(float(lengths[above[0]]) - right) > step:
        mistakes[float(lengths[above[0]])] = "There the error exceeds σ; this happens to a third of all. Look for 3 σ."
    why = "The training frames have bonds up to 1.1 Å. A σ that is right among them promises nothing beyond."
    return Expected(right, abs=0.6 * step, mistakes=mistakes, why=why)


@exercise("10.3", "How many frames without failure")
def needed() -> Expected:
    """The smallest n with 0.9^n <= 0.05."""
    right = frames_needed(SHARE, CONFIDENCE)
    mistakes = {
        frames_needed(0.95, CONFIDENCE): "That is for a share of 95 %.",
        frames_needed(SHARE, 0.9): "That is for a confidence of 90 %.",
        right - 1: "0.9 to this power is still above 0.05; one more.",
        frames_needed(SHARE, CONFIDENCE, 1): "That allows one failure.",
    }
    return Expected(right, mistakes=mistakes, why="0.9^29 = 0.047: below 0.05 for the first time.")


@exercise("10.4", "What σ does not see")
def unseen(own: Samples, true: Samples) -> Expected:
    """RMSE against the right labels over RMSE against its own."""
    against_own, against_true = (float(np.sqrt(np.mean(one.errors**2))) for one in (own, true))
    right, sigma = against_true / against_own, float(np.sqrt(np.mean(own.sigmas**2)))
    mistakes = {
        against_own / against_true: "Upside down.",
        against_true: "That is the error itself; divide by that against its own labels.",
        float(np.mean(true.errors) / np.mean(own.errors)): "That is a ratio of means; take root mean squares.",
    }
    mistakes = {value: words for value, words in mistakes.items() if abs(value / right - 1) > 0.06}
    why = f"σ is {sigma:.2f} eV/Å for both: it says what more frames would change, and more such frames change nothing."
    return Expected(right, rel=0.03, mistakes=mistakes, why=why)
