"""Whether labels are plausible: symmetric, of a reasonable size, with their sum rule."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from labkit.errors import LabkitError
from labkit.polarizability.target import Target

#: relative asymmetry of a symmetric tensor that may be rounding; more is an error
ASYMMETRY = 0.01
#: polarizability over the sum of cubed covalent radii: 0.8 (NaCl) to 13 (Si) in Å^3
PLAUSIBLE = (0.3, 20.0)
#: electronic dielectric constant below which a cell is mostly vacuum (liquid water 1.8, methane 1.6)
THIN = 1.3
#: e per atom by which Born charges may miss their sum rule (one k-point: 0.03) before they are taken for other charges
SUM_RULE = 0.2


def symmetrise(values: list[np.ndarray], target: Target) -> list[str]:
    """Make tensors symmetric in place, and note it; asymmetry beyond rounding raises LabkitError."""
    worst = 0.0
    for k, value in enumerate(values):
        flipped = np.swapaxes(value, -1, -2)
        size = float(np.abs(value - flipped).max() / max(np.abs(value).max(), 1e-300))
        if size > ASYMMETRY:
            a, b = np.unravel_index(np.abs(value - flipped).argmax(), value.shape)[-2:]
            axes = "xyz"
            raise LabkitError(
                f"frame {k}: {target.name} is not symmetric, {axes[a]}{axes[b]} and {axes[b]}{axes[a]} differ by "
                f"{100 * size:.0f} % of the largest component; correct it, or learn it as "
                f"Target({target.name!r}, rank=2, symmetric=False)"
            )
        values[k], worst = (value + flipped) / 2, max(worst, size)
    return [f"{target.name} was made symmetric (by up to {100 * worst:.2g} %)"] if worst > 1e-6 else []


def sum_rule(values: list[np.ndarray], target: Target) -> list[str]:
    """Note Born charges that do not sum to zero; raise LabkitError for values that cannot be Born charges."""
    sums = [np.abs(value.sum(0)).max() for value in values]
    k = int(np.argmax([s / len(value) for s, value in zip(sums, values)]))
    if sums[k] > SUM_RULE * len(values[k]):
        raise LabkitError(
            f"frame {k}: {target.name} sum to {sums[k]:.3g} e, expected 0 (the acoustic sum rule); are atoms missing, "
            "or are these other charges?"
        )
    worst = float(max(sums))
    if worst > 1e-6:
        return [f"{target.name} sum to up to {worst:.2g} e a cell instead of 0: the mean over atoms was subtracted"]
    return []


def magnitude(values: list[np.ndarray], atoms: list[Atoms]) -> list[str]:
    """Note polarizabilities that seem to be in another unit, or another quantity."""
    sizes = np.array([np.trace(value) / 3 for value in values])
    radii = np.array([(covalent_radii[a.numbers] ** 3).sum() for a in atoms])
    ratio = float(np.median(sizes / radii))
    if _dielectric(sizes, radii, atoms):
        return [
            f"polarizability looks like a dielectric tensor: as Å^3, {np.median(sizes):.3g} would make these cells "
            f"nearly transparent to a field; polarizability = V (epsilon - 1)/4π"
        ]
    if PLAUSIBLE[0] <= ratio <= PLAUSIBLE[1]:
        return []
    size = "large" if ratio > PLAUSIBLE[1] else "small"
    hint = "in a.u. (1 a.u. = 0.148 Å^3)" if ratio > 0 else "of the wrong sign"
    return [
        f"polarizability looks too {size} for Å^3 ({abs(ratio):.2g} times the cubed covalent radii; usual: 1 to 13): "
        f"is it {hint}, or a dielectric tensor (polarizability = V (epsilon - 1)/4π)?"
    ]


def _dielectric(sizes: np.ndarray, radii: np.ndarray, atoms: list[Atoms]) -> bool:
    """Whether V (ε - 1)/4π is plausible, while the cells would have ε < THIN were these polarizabilities."""
    if not all(a.cell.rank == 3 and a.pbc.all() for a in atoms):
        return False
    volumes = np.array([a.get_volume() for a in atoms]) / (4 * np.pi)
    ratio = float(np.median(volumes * (sizes - 1) / radii))
    return PLAUSIBLE[0] <= ratio <= PLAUSIBLE[1] and float(np.median(1 + sizes / volumes)) < THIN
