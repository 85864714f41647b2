"""Mobilities of pulled colloids, compared with the periodic tensor with one free parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.optimize import brentq

from labkit.errors import LabkitError
from labkit.mobility import Mobility, Oseen, PeriodicRotnePragerYamakawa
from tools.colloids.box import lengths
from tools.colloids.data import VELOCITY, Colloids

#: radius at which terms of order (a/r)³ vanish: only point forces remain
_POINT = 1e-4
_HASIMOTO = 2.837297


class Measured(NamedTuple):
    """A number and its standard error."""

    value: float
    error: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Measurements compared with the periodic tensor; reduced units.

    viscosity  η, of the solvent alone
    radius     a, the one free parameter: with it the periodic tensor has the measured M_ii
    linearity  mobility at half the force divided by that at full force; 1 if the response is linear
    reynolds   of a colloid, ρ |V| a/η, and of its box, with L in place of a
    peclet     |F| a/(k_B T) of one colloid
    table      distance, direction, measured M_ij and error; rpy (periodic, radius a), points (periodic, point forces:
               spheres along which the fluid slips have no term of order (a/r)³), open (Oseen's tensor without images);
               chi2_ of each, its deviation by the errors of measurement and viscosity together, squared
    """

    viscosity: Measured
    radius: Measured
    linearity: Measured
    reynolds: tuple[float, float]
    peclet: float
    table: pd.DataFrame

    def __str__(self) -> str:
        lines = [
            f"viscosity {self.viscosity.value:.4g} ± {self.viscosity.error:.2g}, hydrodynamic radius "
            f"{self.radius.value:.4g} ± {self.radius.error:.2g}",
            f"M_ii at half the force by that at the whole: {self.linearity.value:.3f} ± {self.linearity.error:.3f}",
            f"Reynolds {self.reynolds[0]:.2g} (colloid) and {self.reynolds[1]:.2g} (box), Péclet {self.peclet:.2g}",
            self.table.to_string(index=False, float_format=lambda x: f"{x:.5g}"),
        ]
        return "\n".join(lines)


def viscosity(data: Colloids) -> Measured:
    """η = A ρ/(k² V), for the velocity V cos kz that the acceleration A cos kz maintains; k = 2π/L_z."""
    height = lengths(data.settings, data.settings.pieces()[-1])[2]
    amplitude = _mean(data.viscosity.amplitude.to_numpy(), "viscosity")
    if amplitude.value <= 0:
        raise LabkitError(f"viscosity: the fluid flows by {amplitude.value:.2g} against the force; run more blocks")
    acceleration = float(data.viscosity.acceleration.iloc[0])
    value = acceleration * data.settings.density * (height / (2 * math.pi)) ** 2 / amplitude.value
    return Measured(value, value * amplitude.error / amplitude.value)


def mobilities(data: Colloids) -> pd.DataFrame:
    """V/F of each piece and direction, (M_ii + M_ij) for a pair: piece, distance, direction, mobility, error, samples.

    Along x is along the pair, y and z across it; for one colloid the three directions are equivalent. Errors are those
    of means of independent blocks.
    """
    rows = []
    for (piece, distance, force), blocks in data.pulling.groupby(["piece", "distance", "force"], sort=False):
        parts = {"along": VELOCITY[:1], "across": VELOCITY[1:]} if distance else {"any": VELOCITY}
        for direction, columns in parts.items():
            samples = blocks[columns].to_numpy().ravel() / force
            found = _mean(samples, piece)
            row = {"piece": piece, "distance": distance, "direction": direction}
            rows.append(row | {"mobility": found.value, "error": found.error, "samples": len(samples)})
    return pd.DataFrame(rows)


def hydrodynamic_radius(mobility: Measured, eta: Measured, box: float) -> Measured:
    """The radius a for which the periodic tensor gives one sphere in a cube this M_ii.

    6πη M_ii = 1/a - 2.837297/L + 4πa²/3L³ (Hasimoto), with the errors of M_ii and η propagated through 1/a.
    """

    def excess(a: float) -> float:
        return 1 / a - _HASIMOTO / box + 4 * math.pi * a**2 / (3 * box**3) - 6 * math.pi * eta.value * mobility.value

    low, high = 1e-3 * box, 0.3 * box
    if not excess(low) > 0 > excess(high):
        raise LabkitError(
            f"M_ii = {mobility.value:.3g} in a fluid of viscosity {eta.value:.3g} is not that of a sphere with a "
            f"radius between {low:.3g} and {high:.3g}; check that both have the same units and enough blocks"
        )
    a = brentq(excess, low, high, xtol=1e-7 * box)
    inverse = 6 * math.pi * math.hypot(eta.value * mobility.error, eta.error * mobility.value)
    return Measured(a, a**2 * inverse)


def blocks(mobility: Mobility, box: float, distance: float = 0.0) -> tuple[float, float]:
    """M_ii (twice) or, at a distance along x, M_ij along and across; all units belong to one system."""
    apart = [[0.0, 0.0, 0.0]] + ([[distance, 0.0, 0.0]] if distance else [])
    matrix = mobility.matrix(torch.tensor([apart], dtype=torch.float64), box * torch.eye(3, dtype=torch.float64)[None])
    return float(matrix[0, 0, -3]), float(matrix[0, 1, -2])


def compare(data: Colloids) -> Comparison:
    """Measured M_ij = V/F - M_ii and the tensor for the measured η and the a of the measured M_ii."""
    s, eta, found = data.settings, viscosity(data), mobilities(data).set_index(["piece", "direction"])
    missing = [piece.name for piece in s.pieces()[:-1] if piece.name not in found.index]
    if missing:
        raise LabkitError(f"no blocks of {', '.join(missing)}; also run these pieces")
    own, gentle = (Measured(*found.loc[(name, "any"), ["mobility", "error"]]) for name in ("single", "gentle"))
    radius = hydrodynamic_radius(own, eta, s.box)
    tensors = {
        "rpy": PeriodicRotnePragerYamakawa(radius.value, eta.value),
        "points": PeriodicRotnePragerYamakawa(_POINT * s.box, eta.value),
        "open": Oseen(radius.value, eta.value),
    }
    rows = []
    for distance in s.distances:
        expected = {name: blocks(tensor, s.box, distance) for name, tensor in tensors.items()}
        for i, direction in enumerate(("along", "across")):
            both = found.loc[(f"pair-{distance:g}", direction)]
            row = {"distance": distance, "direction": direction, "measured": both.mobility - own.value}
            row["error"] = math.hypot(both.error, own.error)
            row |= {name: value[i] for name, value in expected.items()}
            for name in tensors:
                error = math.hypot(row["error"], row[name] * eta.error / eta.value)
                row[f"chi2_{name}"] = ((row["measured"] - row[name]) / error) ** 2
            rows.append(row)
    ratio = gentle.value / own.value
    linearity = Measured(ratio, abs(ratio) * math.hypot(gentle.error / gentle.value, own.error / own.value))
    force = math.sqrt(3) * s.force
    number = s.density * own.value * force / eta.value
    reynolds = (number * radius.value, number * s.box)
    return Comparison(eta, radius, linearity, reynolds, force * radius.value / s.temperature, pd.DataFrame(rows))


def _mean(samples: np.ndarray, piece: str) -> Measured:
    if len(samples) < 3:
        raise LabkitError(f"{piece}: {len(samples)} samples; an error bar needs 3 at least: run more blocks")
    return Measured(float(samples.mean()), float(samples.std(ddof=1) / len(samples) ** 0.5))
