"""Expected answers of notebook 15_learned_dynamics."""

from __future__ import annotations

import math

import torch

from labkit.errors import LabkitError
from labkit.exercises.catalogue import exercise
from labkit.exercises.expected import Expected
from labkit.mobility import Estimate, Mobility, Oseen, WallRotnePragerYamakawa
from labkit.mobility.examples import AboveWall
from labkit.mobility.tweezers import of_pair
from labkit.units import KB, MILLIPASCAL_SECOND

RADIUS, VISCOSITY, TEMPERATURE, BLUR = 10.0, 0.85 * MILLIPASCAL_SECOND, 300.0, 0.3
THERMAL = KB * TEMPERATURE
FACTORS = [round(0.05 * k, 2) for k in range(20, 3, -1)]  # 1, 0.95, ..., 0.2


@exercise("15.1", "How large a colloid is", unit="Å")
def size(estimate: Estimate) -> Expected:
    """1/(6πηM) of the estimated M_self."""
    own = float(estimate.value[0])
    right = 1 / (6 * math.pi * VISCOSITY * own)
    mistakes = {
        right / 10: "That is in nm; expected Å.",
        0.75 * right * 2: "That is with 4πη, of a bubble on which the fluid slips; here it sticks: 6πη.",
        right * VISCOSITY: "Without the viscosity it is not a length.",
        2 * right: "That is the diameter.",
    }
    return Expected(right, rel=0.01, mistakes=mistakes, why="Light scattering sizes particles in this way.")


@exercise("15.2", "When the camera no longer counts", unit="ps")
def shortest() -> Expected:
    """Blur adds 2σ² to <Δ²> = 2 k_BT M τ: below one per cent from τ = 100 σ²/(k_BT M)."""
    diffusion = THERMAL / (6 * math.pi * VISCOSITY * RADIUS)
    right = 1e-3 * 100 * BLUR**2 / diffusion
    mistakes = {
        right / 2: "Two images are blurred, the first and the last: compare 2σ² with 2 k_BT M τ.",
        2 * right: "Both sides have the factor 2: 2σ² against 2 k_BT M τ.",
        1000 * right: "That is in fs; expected ps.",
        right / 100: "There it is 100 %.",
    }
    return Expected(right, rel=0.03, mistakes=mistakes, why="At a lag ten times shorter, the blur is ten times larger.")


@exercise("15.3", "How two colloids come together")
def approach(fluid: Mobility) -> Expected:
    """The mode in which two move against each other along r̂ has M_self - M_along, at 3 radii."""
    own, along, across = of_pair(fluid, torch.tensor([3 * RADIUS], dtype=torch.float64))[0].tolist()
    mistakes = {
        1 + along / own: "That is for moving together; for moving against each other the coupling is subtracted.",
        1 - across / own: "That is across the line between them; give that along it.",
        along / own: "That is the coupling itself; what is left for moving against each other?",
        2 * (1 - along / own): "Relative to two free ones: both are free to diffuse, so divide by 2.",
    }
    return Expected(
        1 - along / own, rel=0.01, mistakes=mistakes, why="The fluid between them has to get out of the way."
    )


@exercise("15.4", "What a push is worth")
def push(watched: Estimate, pushed: Estimate) -> Expected:
    """Errors go as 1/√N: the ratio of their squares, for equal numbers of pairs."""
    ratio = float(watched.error[1] / pushed.error[1])
    same = watched.samples / pushed.samples
    right = ratio**2 * same
    mistakes = {
        ratio**2: "The numbers of watched and pushed pairs differ; see .samples.",
        ratio: "That is the ratio of the errors; how do they fall with the number of pairs?",
        ratio * same**0.5: "That is the ratio of the errors; how do they fall with the number of pairs?",
        1 / right: "Upside down: watching needs more.",
    }
    mistakes = {value: text for value, text in mistakes.items() if abs(value / right - 1) > 0.05}
    return Expected(right, rel=0.03, mistakes=mistakes, why="A push of known size saves a great deal of watching.")


@exercise("15.5", "Where point forces break")
def squeezed(places: torch.Tensor) -> Expected:
    """The first of the factors at which Oseen's M of the squeezed cloud has a negative eigenvalue."""
    x = torch.tensor(FACTORS, dtype=torch.float64)[:, None, None] * places
    positive = (torch.linalg.eigvalsh(Oseen(RADIUS, VISCOSITY).matrix(x))[:, 0] >= 0).tolist()
    if all(positive):
        raise LabkitError(f"Oseen's mobility is positive down to {FACTORS[-1]:g}; use the positions of the cloud above")
    first = positive.index(False)
    mistakes = {FACTORS[first - 1]: "There it is still positive; give the first at which it is not."} if first else {}
    why = "Spheres of this size touch long before points do: a repulsion keeps them apart."
    return Expected(FACTORS[first], abs=1e-6, among=FACTORS, mistakes=mistakes, why=why)


@exercise("15.6", "Where the drift is missing", unit="Å")
def without_drift(above: AboveWall, wall: WallRotnePragerYamakawa) -> Expected:
    """The mean height under exp(-U/k_BT)/M_zz."""
    z, density = above.boltzmann(THERMAL, 7 * RADIUS)
    x = torch.zeros(len(z), 1, 3, dtype=torch.float64)
    x[:, 0, 2] = z
    mzz = wall.matrix(x)[:, 2, 2]
    inside = density > 1e-12

    def mean(weight: torch.Tensor) -> float:
        z_, w = z[inside], weight[inside]
        return float(torch.trapezoid(z_ * w, z_) / torch.trapezoid(w, z_))

    mistakes = {
        mean(density): "That is the right one, Boltzmann's; what is the wrong one without the drift?",
        mean(density * mzz): "Divide by M_zz; you have multiplied.",
        mean(density / mzz) / 10: "That is in nm; expected Å.",
    }
    why = "Without the drift, a walker gets stuck where the mobility is low and is found there too often."
    return Expected(mean(density / mzz), rel=0.005, mistakes=mistakes, why=why)
