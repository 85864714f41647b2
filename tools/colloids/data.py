"""Reduced data of pulled colloids: block means in two tables, with the settings; written, checked, read."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from labkit.datasets.ice import SUMS, data_folder, verified
from labkit.errors import LabkitError
from labkit.files import atomic_write
from tools.colloids.pull import BLOCKS, read
from tools.colloids.settings import Solvent

PULLING, VISCOSITY, SETTINGS = "pulling.csv", "viscosity.csv", "settings.json"
VELOCITY = ["velocity_x", "velocity_y", "velocity_z"]


@dataclass(frozen=True, eq=False)
class Colloids:
    """Block means, in the solvent's reduced units (sigma, epsilon and mass are 1).

    pulling    a row for each block: piece, distance (0: one colloid), force (on each colloid, equal along x, y, z),
               block, velocity_x, velocity_y, velocity_z, temperature; two colloids lie along x
    viscosity  block, acceleration, amplitude (of the cosine in the velocity), temperature

    For Å, fs and eV multiply velocities and forces by those of labkit.lammps.Units.lj(sigma, epsilon, mass).
    """

    settings: Solvent
    pulling: pd.DataFrame
    viscosity: pd.DataFrame


def colloids(folder: str | os.PathLike[str] | None = None) -> Colloids:
    """The shipped data (data/colloids; LABKIT_DATA names another data folder), or those reduced into `folder`.

    Raises LabkitError if a file is missing, or is not the one that SHA256SUMS describes.

    >>> colloids().pulling.groupby("distance").velocity_x.mean()  # doctest: +SKIP
    """
    folder = data_folder() / "colloids" if folder is None else Path(folder)
    if not (folder / SUMS).is_file():
        raise LabkitError(
            f"{folder}: there are no reduced data of colloids; make them with: python -m tools.colloids --out FOLDER"
        )
    settings, pulling, viscosity = (verified(folder / name) for name in (SETTINGS, PULLING, VISCOSITY))
    return Colloids(Solvent.load(settings), pd.read_csv(pulling), pd.read_csv(viscosity))


def reduced(settings: Solvent, folder: str | os.PathLike[str]) -> Colloids:
    """The blocks of all pieces in `folder` so far."""
    pulling, viscosity = [], []
    for piece in settings.pieces():
        for b in read(Path(folder) / piece.name / BLOCKS):
            if piece.colloids:
                row = {"piece": piece.name, "distance": piece.distance, "force": piece.force, "block": b.block}
                pulling.append(row | dict(zip(VELOCITY, b.velocity)) | {"temperature": b.temperature})
            else:
                row = {"block": b.block, "acceleration": settings.acceleration, "amplitude": b.amplitude}
                viscosity.append(row | {"temperature": b.temperature})
    if not pulling or not viscosity:
        raise LabkitError(f"{folder}: no blocks of {'the colloids' if viscosity else 'the viscosity'} yet; run them")
    return Colloids(settings, pd.DataFrame(pulling), pd.DataFrame(viscosity))


def write(data: Colloids, folder: str | os.PathLike[str], readme: str) -> list[Path]:
    """Tables, settings, README.md and SHA256SUMS in a folder, as `colloids` reads them; the files written."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        PULLING: data.pulling.to_csv(index=False, float_format="%.9g", lineterminator="\n"),
        VISCOSITY: data.viscosity.to_csv(index=False, float_format="%.9g", lineterminator="\n"),
        SETTINGS: data.settings.text(),
    }
    lines = [f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in texts.items()]
    texts |= {SUMS: "".join(lines), "README.md": readme}
    for name, text in texts.items():
        atomic_write(folder / name, text)
    return [folder / name for name in texts]
