"""Expected answers of notebook 05_polarizability."""

from __future__ import annotations

import pandas as pd

from labkit.exercises.catalogue import exercise
from labkit.exercises.expected import Expected
from labkit.gap.power_law import PowerLaw


@exercise("05.2", "The best regularization of λ = 2")
def best_noise(found: pd.DataFrame) -> Expected:
    """The regularization at which the error of frames left out is smallest."""
    right = float(found[2].idxmin())
    mistakes = {
        float(found[0].idxmin()): "That is the best one for λ = 0; give that for the anisotropy.",
        float(found[2].min()): "That is the error itself; give the regularization at which it occurs.",
        float(found[2].idxmax()): "There the error is largest.",
    }
    return Expected(right, rel=0.3, mistakes=mistakes)


@exercise("05.3", "Which part the error is made of")
def share(found: pd.DataFrame) -> Expected:
    """Share of λ = 2 in the mean square error, each λ at its own best."""
    square = found.min() ** 2
    right = float(square[2] / square.sum())
    mistakes = {
        float(square[0] / square.sum()): "That is the share of λ = 0.",
        float(square[2] / square[0]): "That is the ratio of the two; give the share of their sum.",
        float(found.min()[2] / found.min().sum()): "Lengths do not add up; their squares do.",
    }
    per_cent = {100.0: "That is in per cent; give the share itself."}
    return Expected(right, rel=0.02, mistakes=mistakes, factors=per_cent)


@exercise("05.4", "What more frames give")
def gain(curve: pd.DataFrame) -> Expected:
    """Error of λ = 2 at the smallest size over that at the largest."""
    right = float(curve[2].iloc[0] / curve[2].iloc[-1])
    mistakes = {
        1 / right: "Upside down: the error gets smaller with more frames.",
        float(curve[0].iloc[0] / curve[0].iloc[-1]): "That is the ratio for λ = 0; give that for the anisotropy.",
        right - 1: "That is the gain; give the ratio itself.",
    }
    return Expected(right, rel=0.02, mistakes=mistakes)


@exercise("05.6", "Frames for half the error", optional=True)
def half(curve: pd.DataFrame) -> Expected:
    """The factor f in f^-b = 1/2, for λ = 2."""
    exponent = PowerLaw.through(curve.index, curve[2]).exponent
    mistakes = {
        2.0: "Twice the frames halve the error only where b is 1.",
        2**exponent: "The other way round: f^-b = 1/2.",
    }
    frames = {float(curve.index[-1]): "Give only the factor."}
    return Expected(2 ** (1 / exponent), rel=0.05, mistakes=mistakes, factors=frames)
