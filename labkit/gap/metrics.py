"""How wrong a model is: RMSE, MAE and maximum of energies, forces and stresses, in the units people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from labkit.base import Potential, State
from labkit.gap.sparse import batches, check_species
from labkit.units import GPA, MEV

if TYPE_CHECKING:
    from labkit.datasets import Dataset

#: what stands in the tables: quantity -> (unit, how many of them make one eV, eV/Å or eV/Å^3)
UNITS = {"energy": ("meV/atom", 1 / MEV), "forces": ("meV/Å", 1 / MEV), "stress": ("GPa", 1 / GPA)}


def predict(model: Potential, frames: Dataset) -> dict[str, np.ndarray]:
    """Energies (S,) eV, forces (n, 3) eV/Å and stresses (S, 3, 3) eV/Å^3 of a model, and the labels as `..._true`."""
    atoms = frames.atoms
    if hasattr(model, "species"):
        check_species(atoms, model.species, frames.name)
    parts = []
    for batch in batches(atoms, 480):
        chosen = [atoms[k] for k in batch]
        periodic = all(frame.pbc.all() for frame in chosen)
        parts.append(model.evaluate(State.from_atoms(chosen), stress=periodic))
    energy = np.concatenate([p.energy.cpu().numpy() for p in parts])
    forces = np.concatenate([p.forces.cpu().numpy() for p in parts])
    stress = [np.full((len(p.energy), 3, 3), np.nan) if p.stress is None else p.stress.cpu().numpy() for p in parts]
    return {"energy": energy, "forces": forces, "stress": np.concatenate(stress), **truth(frames)}


def truth(frames: Dataset) -> dict[str, np.ndarray]:
    """The labels of frames, and how many atoms each has."""
    return {
        "energy_true": frames.energy,
        "forces_true": frames.forces,
        "stress_true": frames.stress,
        "counts": frames.counts,
    }


def table(predictions: Mapping[str, Mapping[str, np.ndarray]]) -> pd.DataFrame:
    """Errors of each set: rows (set, quantity), columns rmse, mae, max, count; missing labels do not count."""
    rows = {}
    for name, values in predictions.items():
        for quantity, (unit, scale) in UNITS.items():
            if quantity not in values:
                continue
            error = values[quantity] - values[f"{quantity}_true"]
            if quantity == "energy":
                error = error / values["counts"]
            error = np.abs(error[np.isfinite(error)]) * scale
            if len(error):
                rows[name, quantity] = (
                    np.sqrt((error**2).mean()),
                    error.mean(),
                    error.max(),
                    len(error),
                    unit,
                )
    index = pd.MultiIndex.from_tuples(rows, names=["set", "quantity"]) if rows else None
    return pd.DataFrame(rows.values(), index=index, columns=["rmse", "mae", "max", "count", "unit"])


def errors(model: Potential, frames: Dataset, name: str = "frames") -> pd.DataFrame:
    """Errors of any potential on any labelled frames.

    RMSE = sqrt(mean (y - y_true)²) of energies per atom [meV/atom], force components [meV/Å], stress components [GPa].

    >>> errors(model, labkit.datasets.ice("valid"))  # doctest: +SKIP
    """
    return table({name: predict(model, frames)})
