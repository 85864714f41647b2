"""Expected answers of notebook 07_engine_tour."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch

from labkit.base import State
from labkit.engine.timesteps import EnergyErrors
from labkit.errors import LabkitError
from labkit.exercises.catalogue import exercise
from labkit.exercises.expected import Expected
from labkit.forcefield import ForceField
from labkit.units import FORCE_TO_ACCELERATION, KB


@exercise("07.1", "What twice the timestep costs")
def twice(errors: EnergyErrors) -> Expected:
    """2^p with the exponent of the power law."""
    slope = errors.law()[1]
    mistakes = {
        slope: "That is the exponent p; by which factor does dt to the power p grow?",
        2.0: "That would be p = 1.",
    }
    mistakes |= {0.5**slope: "Upside down: twice the timestep has the larger error."}
    return Expected(2**slope, rel=0.05, mistakes=mistakes, why="Half the work for four times the error.")


@exercise("07.2", "The largest timestep there can be", unit="fs")
def limit(state: State, forcefield: ForceField) -> Expected:
    """2/ω of the stiffest bond, ω² = k (1/m_i + 1/m_j)."""
    bonds = forcefield.terms["bonds"]
    inverse = (1 / state.system.masses)[bonds.atoms].sum(1)
    omega = (bonds.k * inverse * FORCE_TO_ACCELERATION).sqrt().detach()
    right, slowest = 2 / float(omega.max()), 2 / float(omega.min())
    unconverted = float((bonds.k * inverse).sqrt().max())
    mistakes = {
        math.pi * right: "That is the period 2π/ω; the limit is 2/ω.",
        right / 2: "That is 1/ω; the limit is 2/ω.",
        slowest: "That is for the softest bond; the stiffest one sets the limit.",
        2 / unconverted: "eV/Å²/u is not 1/fs²: multiply by FORCE_TO_ACCELERATION.",
    }
    return Expected(right, rel=0.02, mistakes=mistakes, why="Look at the panel: that is where the crosses begin.")


@exercise("07.3", "What a batch is worth")
def worth(rates: pd.DataFrame) -> Expected:
    """Steps × replicas per second of the largest batch over those of one replica, in torch."""
    if "torch" not in rates or len(rates) < 2:
        raise LabkitError(f"rates has the columns {list(rates)} and {len(rates)} rows; expected torch, and two or more")
    column = rates["torch"]
    right, other = float(column.iloc[-1] / column.iloc[0]), rates.drop(columns="torch")
    mistakes = {1 / right: "Upside down: divide all together by one alone."}
    mistakes |= {float(other[c].iloc[-1] / other[c].iloc[0]): f"That is for {c}; give that for torch." for c in other}
    mistakes |= {right / column.index[-1]: "The rates already count the steps of all replicas."}
    return Expected(
        right, rel=0.02, mistakes=mistakes, why="A torch step costs nearly as much for one replica as for many."
    )


@exercise("07.4", "Without the rungs between")
def no_ladder(energies: torch.Tensor, temperatures: torch.Tensor) -> Expected:
    """Mean of min(1, exp((β₀ - β₅)(E₀ - E₅))) over the recorded energies (T, ladders, R)."""
    cold, hot = energies[..., 0], energies[..., -1]
    beta = 1 / (KB * temperatures)
    exponent = (beta[0] - beta[-1]) * (cold - hot)
    right = float(exponent.exp().clamp(max=1).mean())
    mean = float(np.exp(min(0.0, float(exponent.mean()))))
    mistakes = {
        mean: "That is the probability at the mean energies; take the mean of the probabilities.",
        1 - right: "That is how often it is rejected.",
        float(
            (-exponent).exp().clamp(max=1).mean()
        ): "The sign of the exponent is wrong: the cold one has the larger β.",
    }
    mistakes = {value: text for value, text in mistakes.items() if abs(value - right) > 0.02}
    return Expected(
        right,
        rel=0.05,
        abs=0.002,
        mistakes=mistakes,
        why="Such moves are rare; temperatures in between make them likely.",
    )
