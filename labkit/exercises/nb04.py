"""Expected answers of notebook 04_molecular_dynamics."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from labkit.engine.observers import RadialDistribution
from labkit.errors import LabkitError
from labkit.exercises.catalogue import exercise
from labkit.exercises.expected import Expected


@exercise("04.1", "Where half of the heat goes", unit="K")
def settled(cold: pd.DataFrame) -> Expected:
    """The mean temperature over the second half of a run that starts at the minimum."""
    warmth = _column(cold, "temperature_K")
    right = float(warmth[len(warmth) // 2 :].mean())
    mistakes = {
        float(warmth[0]): "That is the temperature at the start.",
        float(warmth[-1]): "That is only the last value; take the mean over the second half.",
        float(warmth.max()): "That is the largest value.",
    }
    why = "About half of the initial one: at the minimum all the energy is kinetic, and the springs take their share."
    return Expected(
        right, rel=0.03, mistakes={k: v for k, v in mistakes.items() if abs(k - right) > 0.03 * right}, why=why
    )


@exercise("04.2", "How the error grows with the timestep")
def order(by_dt: Mapping[float, float]) -> Expected:
    """p of ΔE ∝ dt^p by a straight line in a log-log plot through {dt [fs]: standard deviation of the total energy}."""
    pairs = sorted((float(dt), float(error)) for dt, error in dict(by_dt).items())
    if len(pairs) < 3 or min(min(pair) for pair in pairs) <= 0:
        raise LabkitError(f"by_dt has {len(pairs)} timesteps; expected 3 or more, each with a positive error")
    dt, error = np.log(np.array(pairs)).T
    right = float(np.polyfit(dt, error, 1)[0])
    mistakes = {
        -right: "The error grows with the timestep: give a positive exponent.",
        1 / right: "Upside down: log ΔE against log dt.",
        2**right: "That is the factor for twice the timestep; give the exponent.",
    }
    return Expected(right, abs=0.15, mistakes=mistakes, why="Velocity Verlet is of second order.")


@exercise("04.3", "Neighbours from a distribution")
def neighbours(rdf: RadialDistribution, density: float) -> Expected:
    """4π ρ ∫ g_OH r² dr up to 1.4 Å with the density ρ of hydrogen [1/Å^3]."""
    near = rdf.r < 1.4
    r, g = rdf.r[near], rdf.g("O", "H").mean(0)[near]
    width = float(rdf.r[1] - rdf.r[0])
    right = float(4 * np.pi * density * (g * r**2).sum() * width)
    mistakes = {
        right / width: "The width of a shell is missing: the sum is an integral only times dr.",
        right / density: "The density of the hydrogen atoms is missing.",
        float(4 * np.pi * density * g.sum() * width): "A shell has the area 4π r²: r² is missing.",
        right / (4 * np.pi): "A shell has the area 4π r²: 4π is missing.",
        right / 2: "The question is about each oxygen; do not divide by two.",
    }
    return Expected(right, abs=0.06, mistakes=mistakes, why="Two, as it should be: no molecule has come apart.")


@exercise("04.5", "When the detour pays", unit="steps")
def break_even(costs: Mapping[str, float]) -> Expected:
    """N of N t_label = n t_label + t_fit + N t_step, with n training and validation frames."""
    label, fit, step = (float(costs[key]) for key in ("label", "fit", "step"))
    train, valid = float(costs["train"]), float(costs["valid"])
    right = ((train + valid) * label + fit) / (label - step)
    mistakes = {
        (train * label + fit) / (label - step): "The validation frames have to be labelled, too.",
        fit / (label - step): "The labels cost most of all: count them.",
        (train + valid) * label + fit: "These are seconds; how many steps of the reference cost as much?",
    }
    return Expected(right, rel=0.01, mistakes=mistakes, why="Nearly the number of labels: fit and steps hardly matter.")


def _column(table: pd.DataFrame, name: str) -> np.ndarray:
    if name not in table or len(table) < 20:
        raise LabkitError(f"expected a log of 20 rows or more with the column {name}; found {list(table)[:8]}")
    return table[name].to_numpy(dtype=float)
