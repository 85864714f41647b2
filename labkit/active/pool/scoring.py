"""How a run looks at its pool: the uncertainty of the potential of this round, and a Pool of what may be chosen."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from labkit.active.selection import Choice, Pool, Selection
from labkit.active.uncertainty import Uncertainty
from labkit.base import Potential
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap.metrics import predict

#: called with the potential, the labelled frames and the calibration frames, as many of these as it requires
MakeUncertainty = Callable[..., Uncertainty]


def uncertainty_of_round(
    make: MakeUncertainty | None, potential: Potential, labelled: Dataset, calibration: Dataset | None
) -> Uncertainty | None:
    """The uncertainty of this round's potential; None if there is none."""
    if make is None:
        return None
    required = [
        p for p in inspect.signature(make).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]  # fmt: skip
    if len(required) == 3 and calibration is None:
        raise LabkitError(f"{mark_of(make)} needs calibration frames; give learn(..., calibration=20) or more")
    return make(*(potential, labelled, calibration)[: len(required)])


def mark_of(make: MakeUncertainty | None) -> str:
    """The name of an uncertainty, for the settings of a run."""
    return "none" if make is None else getattr(make, "__qualname__", repr(make))


def choose(
    frames: Dataset,
    rows: np.ndarray,
    potential: Potential,
    uncertainty: Uncertainty | None,
    labelled: Dataset,
    selection: Selection,
    n: int,
    seed: int,
) -> tuple[Choice, Pool]:
    """What a rule chooses of the frames `rows` of a pool; numbers in the choice are those within `rows`."""
    needs = set(selection.needs) | ({"spread"} if uncertainty is not None else set())
    candidates = frames[rows]
    pool = Pool.of(candidates, potential, uncertainty, labelled, needs=needs)
    names = [f"frame {k}" for k in rows]
    pool = Pool(**{**{f: getattr(pool, f) for f in pool.__dataclass_fields__}, "names": names})
    return selection.choose(pool, n, seed=seed), pool


def force_errors(potential: Potential, frames: Dataset, by: str = "") -> dict[str, float]:
    """force_rmse, force_max [eV/Å] and energy_rmse [eV/atom] on labelled frames.

    by  a key of info: also force_rmse of the frames of each of its values, as "force_rmse hot"
    """
    found = predict(potential, frames)
    error = found["forces"] - found["forces_true"]
    energy = (found["energy"] - found["energy_true"]) / found["counts"]
    out = {"force_rmse": _rms(error), "force_max": _largest(error), "energy_rmse": _rms(energy)}
    if by:
        kinds = np.array([str(info.get(by, "")) for info in frames.info])
        of_atoms = np.repeat(kinds, frames.counts)
        out |= {f"force_rmse {kind}": _rms(error[of_atoms == kind]) for kind in sorted(set(kinds))}
    return out


def surprises(potential: Potential, frames: Dataset) -> list[tuple[float, float, float]]:
    """Of each frame: RMSE of the forces, largest error of one atom [eV/Å], error of the energy [eV/atom]."""
    found, out = predict(potential, frames), []
    for k in range(len(frames)):
        error = (found["forces"] - found["forces_true"])[frames.offsets[k] : frames.offsets[k + 1]]
        energy = float(found["energy"][k] - found["energy_true"][k]) / int(found["counts"][k])
        out.append((_rms(error), _largest(error), abs(energy)))
    return out


def _rms(error: np.ndarray) -> float:
    known = error[np.isfinite(error)]
    return float(np.sqrt((known**2).mean())) if len(known) else float("nan")


def _largest(error: np.ndarray) -> float:
    sizes: Any = np.linalg.norm(error, axis=1)
    return float(np.nanmax(sizes)) if np.isfinite(sizes).any() else float("nan")
