"""Expected answers of notebook 02_learning_curve."""

from __future__ import annotations

from labkit.exercises.catalogue import exercise
from labkit.exercises.expected import Expected
from labkit.gap.learning import LearningCurve


@exercise("02.1", "What eight times the frames give")
def gain(curve: LearningCurve) -> Expected:
    """Validation force error at the smallest size over that at the largest."""
    forces = curve.summary().loc[("valid", "forces"), "rmse"]
    energies = curve.summary().loc[("valid", "energy"), "rmse"]
    right = float(forces.iloc[0] / forces.iloc[-1])
    mistakes = {
        1 / right: "Upside down: the error gets smaller with more frames.",
        float(energies.iloc[0] / energies.iloc[-1]): "That is the ratio for the energies; give that for the forces.",
        right - 1: "That is the gain; give the ratio itself.",
    }
    return Expected(right, rel=0.02, mistakes=mistakes)


@exercise("02.2", "The slope")
def slope(curve: LearningCurve) -> Expected:
    """b of N^-b through the last three sizes, energies of the validation set."""
    law, forces = curve.law("valid", "energy"), curve.law("valid", "forces")
    mistakes = {
        -law.exponent: "The sign is wrong: N^-b decreases, and b itself is positive.",
        forces.exponent: "That is the slope for the forces; give that for the energies.",
        law.prefactor: "That is the prefactor a of a N^-b.",
    }
    why = "Below 0.5, the value for averaging out noise: here the descriptor and the sparse points set a limit."
    return Expected(law.exponent, rel=0.03, mistakes=mistakes, why=why if law.exponent < 0.5 else "")


@exercise("02.3", "How many frames for half the error")
def half(curve: LearningCurve) -> Expected:
    """The factor f in f^-b = 1/2, for the energies."""
    exponent = curve.law("valid", "energy").exponent
    right = 2 ** (1 / exponent)
    mistakes = {
        2.0: "Twice the frames halve the error only where b is 1.",
        2**exponent: "The other way round: f^-b = 1/2.",
    }
    largest = float(curve.table["size"].max())
    return Expected(right, rel=0.05, mistakes=mistakes, factors={largest: "Give only the factor."})
