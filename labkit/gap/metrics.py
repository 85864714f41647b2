"""Errors of a model: RMSE, MAE and maximum of energies, forces and stresses, in the usual units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ase
import numpy as np
import pandas as pd

from labkit.base import Potential, State
from labkit.base.frames import batches, check_species
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.units import GPA, MEV

#: quantity -> (unit in the tables, how many of them make one eV, eV/Å or eV/Å^3)
UNITS = {"energy": ("meV/atom", 1 / MEV), "forces": ("meV/Å", 1 / MEV), "stress": ("GPa", 1 / GPA)}


def labelled(frames: Dataset | Sequence[ase.Atoms], what: str) -> Dataset:
    """A Dataset, made from a sequence of Atoms if necessary; raises LabkitError if it is empty."""
    if len(frames) == 0:
        raise LabkitError(f"the {what} set is empty; expected at least one frame")
    return frames if isinstance(frames, Dataset) else Dataset.from_atoms(list(frames))


def predict(model: Potential, frames: Dataset) -> dict[str, np.ndarray]:
    """Energies (S,) eV, forces (n, 3) eV/Å and stresses (S, 3, 3) eV/Å^3 of a model, and the labels as `..._true`.

    Open frames, and those without three lattice vectors, have no stress (NaN).
    """
    atoms, offsets = frames.atoms, np.asarray(frames.offsets)
    if hasattr(model, "species"):
        check_species(atoms, model.species, frames.name)
    out = {
        "energy": np.full(len(frames), np.nan),
        "forces": np.full((offsets[-1], 3), np.nan),
        "stress": np.full((len(frames), 3, 3), np.nan),
    }
    periodicity = np.array([has_stress(frame) for frame in atoms])
    for periodic in (True, False):
        mine = np.flatnonzero(periodicity == periodic)
        for batch in batches(frames.counts[mine]):
            chosen = mine[batch]
            result = model.evaluate(State.from_atoms([atoms[k] for k in chosen]), stress=periodic)
            out["energy"][chosen] = result.energy.cpu().numpy()
            spans = [np.arange(offsets[k], offsets[k + 1]) for k in chosen]
            out["forces"][np.concatenate(spans)] = result.forces.cpu().numpy()
            if periodic:
                out["stress"][chosen] = result.stress.cpu().numpy()
    return {**out, **truth(frames)}


def truth(frames: Dataset) -> dict[str, np.ndarray]:
    """The labels of frames, and the number of atoms of each; the stress of an open frame is NaN."""
    whole = np.array([has_stress(frame) for frame in frames.atoms])
    return {
        "energy_true": frames.energy,
        "forces_true": frames.forces,
        "stress_true": np.where(whole[:, None, None], frames.stress, np.nan),
        "counts": frames.counts,
    }


def has_stress(frame: ase.Atoms) -> bool:
    """Whether a frame is periodic in some direction and has a volume: slabs have a stress, molecules have none."""
    return bool(frame.pbc.any()) and frame.cell.rank == 3


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
            error = np.abs(error[np.isfinite(values[f"{quantity}_true"])]) * scale
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


def errors(model: Potential, frames: Dataset | Sequence[ase.Atoms], name: str = "frames") -> pd.DataFrame:
    """Errors of any potential on any labelled frames.

    RMSE = sqrt(mean (y - y_true)²) of energies per atom [meV/atom], force components [meV/Å], stress components [GPa].

    >>> errors(model, labkit.datasets.ice("valid"))  # doctest: +SKIP
    """
    return table({name: predict(model, labelled(frames, name))})
