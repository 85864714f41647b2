"""Run the gap_fit program with a Dataset and a GapConfig, and use its model as a labkit Potential."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase.io.extxyz import write_extxyz

import labkit
from labkit.base import NO_PROGRESS, Progress
from labkit.datasets.labels import DatasetWarning
from labkit.datasets.placeholders import without_placeholders
from labkit.errors import LabkitError
from labkit.gap.config import GapConfig
from labkit.gap.e0 import fit_e0
from labkit.gap.keys import FIT_KEYS
from labkit.gap.metrics import has_stress
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
    train, said = without_placeholders(train)
    for note in said:
        warnings.warn(f"{train.name}: {note}", DatasetWarning, stacklevel=2)
    other = {key: value for key, value in config.other.items() if key != "e0_offset"}  # already in e0
    settings = config.replace(e0=fit_e0(train, config), other=other, atoms_filename="train.xyz", gp_file=model.name)
    try:
        model.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".gap_fit-", dir=model.parent))
    except OSError as error:
        raise LabkitError(f"{model.parent}: cannot be written ({error.strerror}); choose a writable folder") from error
    try:
        began = time.monotonic()
        log = scratch / (model.name + ".log")
        write_training_file(scratch / "train.xyz", train, settings)
        bring_files(settings, scratch).write(scratch / "gap_fit.cfg")
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

    A label that a frame lacks, or that a sigma of None or a name 'none' leaves out, is not written; atoms whose force
    is missing are excluded by the column of force_mask. gap_fit reads the virial -V stress [eV]. What else gap_fit
    acts on is passed on: sigmas of frames, atoms and components, kinds of frames, masks.
    """
    mask = config.parameter("force_mask_parameter_name")
    passed = _passed_on(config)
    frames = []
    for i, structure in enumerate(train.atoms):
        labels, info = train.labels(i), train.info[i]
        atoms = structure.copy()
        atoms.info = {k: v for k, v in info.items() if passed.fullmatch(k)}
        kept = {name for name in atoms.arrays if passed.fullmatch(name)}
        for name in set(atoms.arrays) - {"numbers", "positions"} - kept:
            del atoms.arrays[name]
        columns = ["symbols", "positions"]
        if "energy" in labels and config.energy_key.lower() != "none":
            atoms.info[config.energy_key] = float(labels["energy"])
        if "forces" in labels and config.sigma_force is not None and config.forces_key.lower() != "none":
            missing = np.isnan(labels["forces"]).any(1)
            if missing.any() or mask in atoms.arrays:
                atoms.arrays[mask] = missing | np.asarray(atoms.arrays.get(mask, missing)).astype(bool)
                kept |= {mask}
            atoms.arrays[config.forces_key] = np.nan_to_num(labels["forces"])
            columns.append(config.forces_key)
        key = config.virial_key if config.virial_key.lower() != "none" else config.stress_key
        stress = labels.get("stress", np.full((3, 3), np.nan))
        used = config.sigma_virial is not None and key.lower() != "none"
        if used and np.isfinite(stress).all() and has_stress(atoms):
            atoms.info[key] = stress if key == config.stress_key else -atoms.get_volume() * stress
        columns += sorted(kept)
        if not np.any(atoms.cell.array):
            atoms.center(vacuum=2 * config.cutoff)  # QUIP needs a cell; this one is too large for images to interact
        frames.append((atoms, columns))
    with open(path, "w") as file:
        for atoms, columns in frames:
            write_extxyz(file, [atoms], columns=columns, write_results=False)


def _passed_on(config: GapConfig) -> re.Pattern[str]:
    """Matches what gap_fit acts on in a training file besides labels."""
    names = ("config_type", "sigma", "force_mask", "hessian", "local_property", "local_property_mask")
    kind, sigma, mask, hessian, local, local_mask = (re.escape(config.parameter(f"{n}_parameter_name")) for n in names)
    of_labels = "energy|force|virial|hessian|local_property|force_atom|force_component|virial_component"
    return re.compile(rf"{kind}|(?:{of_labels})_{sigma}|{mask}|n_{hessian}|{hessian}\d+|{local}|{local_mask}")


def bring_files(config: GapConfig, folder: Path) -> GapConfig:
    """Copy the files that the settings name into `folder`, where gap_fit runs, and name the copies.

    Raises LabkitError for a file that does not exist.
    """

    def brought(other: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
        found = dict(other)
        for key in keys:
            if key not in other:
                continue
            file = Path(other[key])
            if not file.is_file():
                raise LabkitError(f"{key}={file}: no such file, seen from {Path.cwd()}")
            name = f"{len(list(folder.iterdir()))}-{file.name}"  # two files may have one name
            shutil.copyfile(file, folder / name)
            found[key] = name
        return found

    terms = tuple(replace(d, other=brought(d.other, ("sparse_file", "theta_file"))) for d in config.descriptors)
    other, usual = dict(config.other), FIT_KEYS["core_param_file"]
    if "core_ip_args" in other and Path(usual).is_file():
        other.setdefault("core_param_file", usual)
    return config.replace(descriptors=terms, other=brought(other, ("core_param_file", "template_file")))


def _move(made: Path, model: Path) -> None:
    """Move a new model's files into place, the XML last, and delete the sparse points of the one it replaces."""
    old = set(sparse_files(model)) if model.exists() else set()
    new = {model.with_name(file.name) for file in sparse_files(made)}
    for file in [*sparse_files(made), beside(made, ".log"), beside(made, ".json"), made]:
        os.replace(file, model.with_name(file.name))
    for file in old - new:
        file.unlink(missing_ok=True)
