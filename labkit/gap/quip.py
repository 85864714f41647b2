"""Run the gap_fit program with a Dataset and a GapConfig, and use its model as a labkit Potential."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase.io.extxyz import write_extxyz

import labkit
from labkit.base import NO_PROGRESS, Progress
from labkit.errors import LabkitError
from labkit.gap.config import GapConfig
from labkit.gap.e0 import fit_e0
from labkit.gap.quip_potential import QuipPotential, beside, load, sparse_files
from labkit.gap.quip_process import executable, run, tail

if TYPE_CHECKING:
    from labkit.datasets import Dataset

__all__ = ["QuipPotential", "fit", "load", "write_training_file"]


def fit(
    train: Dataset,
    config: GapConfig | None = None,
    folder: str | os.PathLike[str] = ".",
    *,
    progress: Progress = NO_PROGRESS,
    overwrite: bool = False,
) -> QuipPotential:
    """Fit a GAP with the gap_fit executable; the model is `folder`/`config.gp_file` with its files beside it.

    e0 is determined as in labkit's own fit (`fit_e0`) and passed to gap_fit. gap_fit chooses the number of threads
    (OMP_NUM_THREADS). `progress` receives `stage` and `elapsed` [s].

    Raises LabkitError if the model already exists and `overwrite` is not set, if the folder cannot be written, if
    gap_fit is missing, or with the end of its log if it fails; Stopped on request. Then nothing is left behind.

    >>> potential = fit(labkit.datasets.ice("train", n=50), GapConfig(), "out")  # doctest: +SKIP
    """
    config = config or GapConfig()
    model = Path(folder) / Path(config.gp_file).name
    if model.exists() and not overwrite:
        raise LabkitError(f"{model}: a model already exists; choose another folder or gp_file, or set overwrite=True")
    if not len(train):
        raise LabkitError("there are no training frames; gap_fit needs at least one with an energy")
    executable()  # before any work: the error says how to install gap_fit
    settings = config.replace(e0=fit_e0(train, config), atoms_filename="train.xyz", gp_file=model.name)
    try:
        model.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".gap_fit-", dir=model.parent))
    except OSError as error:
        raise LabkitError(f"{model.parent}: cannot be written ({error.strerror}); choose a writable folder") from error
    try:
        began = time.monotonic()
        log = scratch / (model.name + ".log")
        write_training_file(scratch / "train.xyz", train, settings)
        settings.write(scratch / "gap_fit.cfg")
        run(scratch, "gap_fit.cfg", log, progress)
        took = time.monotonic() - began
        made = scratch / model.name
        if not made.is_file():
            raise LabkitError(f"gap_fit ended without a model; its log ends with\n{tail(log)}")
        QuipPotential(made)  # QUIP itself must accept it before any old file is touched
        notes = {
            "config": config.text(),
            "data": {"name": train.name, "frames": len(train), "sha256": train.hash},
            "e0": settings.e0,
            "seconds": took,
            "units": "eV, Å",
            "labkit": labkit.__version__,
        }
        beside(made, ".json").write_text(json.dumps(notes, indent=1))
        _move(made, model)
    except OSError as error:
        raise LabkitError(f"{model.parent}: cannot be written ({error.strerror}); no model was changed") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return QuipPotential(model)


def write_training_file(path: Path, train: Dataset, config: GapConfig) -> None:
    """Write the extended XYZ that gap_fit trains on, its labels named as in `config`.

    A label that a frame lacks, or that a sigma of None leaves out, is not written. gap_fit reads the virial
    -V stress [eV]; sigmas of single frames (energy_sigma, ...) and config_type are passed on.
    """
    frames = []
    for i, structure in enumerate(train.atoms):
        labels, info = train.labels(i), train.info[i]
        atoms = structure.copy()
        atoms.info = {k: v for k, v in info.items() if k == "config_type" or k.endswith("_sigma")}
        for name in set(atoms.arrays) - {"numbers", "positions"}:
            del atoms.arrays[name]
        columns = ["symbols", "positions"]
        if "energy" in labels:
            atoms.info[config.energy_key] = float(labels["energy"])
        if "forces" in labels and config.sigma_force is not None:
            atoms.arrays[config.forces_key] = labels["forces"]
            columns.append(config.forces_key)
        if "stress" in labels and config.sigma_virial is not None and atoms.pbc.all():
            atoms.info[config.virial_key] = -atoms.get_volume() * labels["stress"]
        if not np.any(atoms.cell.array):
            atoms.center(vacuum=2 * config.cutoff)  # QUIP needs a cell; this one is too large for images to interact
        frames.append((atoms, columns))
    with open(path, "w") as file:
        for atoms, columns in frames:
            write_extxyz(file, [atoms], columns=columns, write_results=False)


def _move(made: Path, model: Path) -> None:
    """Move a new model's files into place, the XML last, and delete the sparse points of the one it replaces."""
    old = set(sparse_files(model)) if model.exists() else set()
    new = {model.with_name(file.name) for file in sparse_files(made)}
    for file in [*sparse_files(made), beside(made, ".log"), beside(made, ".json"), made]:
        os.replace(file, model.with_name(file.name))
    for file in old - new:
        file.unlink(missing_ok=True)
