"""The frames that a training file names, in eV and Å."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from labkit.datasets import Dataset, DatasetWarning, load
from labkit.datasets.array_files import ODD
from labkit.datasets.audit.label_units import ENERGIES as UNITS
from labkit.datasets.audit.label_units import FORCES as FORCE_UNITS
from labkit.datasets.audit.quick import quick_look
from labkit.datasets.labels import Key
from labkit.datasets.md17 import is_md17
from labkit.datasets.missing_labels import not_finite
from labkit.datasets.placeholders import without_placeholders
from labkit.datasets.qm9 import ENERGIES, qm9
from labkit.datasets.reading import ARRAYS
from labkit.datasets.torchmd_arrays import torchmd_arrays
from labkit.errors import LabkitError, suggest
from labkit.md.external import found_file
from labkit.train.settings import TrainingFile

#: folders below dataset_root in which TorchMD-Net keeps the files of MD17
PLACES = ("", "raw", "MD17/raw", "MD17", "rmd17", "rmd17/npz_data", "npz_data")


def read_frames(file: TrainingFile, folder: Path) -> Dataset:
    """All frames; files are relative to the working folder, or else to `folder`. Assumptions are DatasetWarnings.

    Raises LabkitError for files that are missing or cannot be read, and for frames without labels to learn.
    """
    kind = _kind(file, folder)
    frames = READERS[kind](file, folder)
    if kind in ("file", "HDF5", "Custom"):
        frames = _in_ev(frames, file, said=kind != "file")
    elif file.units or file.force_units:
        raise LabkitError(f"units: those of {kind} are known; leave the key out")
    frames, filled = without_placeholders(frames)
    for note in filled:
        _say(f"{frames.name}: {note}")
    _check(frames, file)
    return frames


def _kind(file: TrainingFile, folder: Path) -> str:
    """The reader that a file asks for, by its name in READERS."""
    if file.dataset is not None:
        return "MD17" if file.dataset == "rMD17" else file.dataset
    if file.coord_files:
        return "Custom"
    if file.label in ENERGIES:
        return "QM9"
    if file.data is None:
        raise LabkitError("no frames are named; give data: FILE, or TorchMD-Net's dataset or coord_files")
    if file.label is not None:
        raise LabkitError(
            f"label is {file.label!r}{suggest(file.label, ENERGIES)}; expected one of QM9's, {', '.join(ENERGIES)}; "
            "for a file of frames give energy_key and forces_key"
        )
    return "MD17" if _has_names_of_md17(found_file(file.data, folder)) else "file"


def _has_names_of_md17(path: Path) -> bool:
    if path.suffix != ".npz" or not path.is_file():
        return False
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return is_md17(dict.fromkeys(arrays.files))
    except (*ODD, AttributeError, BadZipFile):
        return False  # `load` explains what is wrong


def _file(file: TrainingFile, folder: Path) -> Dataset:
    assert file.data is not None
    path = found_file(file.data, folder)
    keys: dict[str, Key] = {name: getattr(file, name) for name in ("energy_key", "forces_key", "stress_key")}
    if path.is_dir() or path.suffix in ARRAYS:
        given = [name for name, key in keys.items() if key is not None]
        if given:
            raise LabkitError(f"{given[0]}: {path} holds arrays, whose names are known; leave the key out")
        return _loaded(file, path)
    return _loaded(file, path, **keys, polarizability_key=False, born_charges_key=False)


def _loaded(file: TrainingFile, path: Path, **keys: Key) -> Dataset:
    """The frames as `load` reads them, without its warning on units if the training file names other units."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", DatasetWarning)
        frames = load(path, **keys)
    others = {file.units, file.force_units} - {None, "eV", "eV/Å"}
    line = quick_look(frames) if others else ""
    for warning in said:
        if not line or line not in str(warning.message):
            warnings.warn(warning.message, warning.category, stacklevel=4)
    return frames


def _qm9(file: TrainingFile, folder: Path) -> Dataset:
    argument = file.dataset_arg or {}
    return qm9(file.label or argument.get("label") or argument.get("") or "energy_U0")


def _hdf5(file: TrainingFile, folder: Path) -> Dataset:
    names = (file.data or file.dataset_root or "").split(";")
    if not names[0]:
        raise LabkitError("dataset HDF5: no file is named; give dataset_root: FILE.h5")
    return reduce(add, [_loaded(file, found_file(name.strip(), folder)) for name in names])


def _md17(file: TrainingFile, folder: Path) -> Dataset:
    if file.data is not None:
        return load(found_file(file.data, folder))
    argument = file.dataset_arg or {}
    molecule = str(argument.get("molecules") or argument.get("") or "").strip().removeprefix("revised_")
    root = found_file(file.dataset_root or "~/data", folder)
    if root.is_file():
        return load(root)
    if not molecule or "," in molecule:
        raise LabkitError("dataset MD17: give one molecule, such as dataset_arg: {molecules: revised_aspirin}")
    found = sorted({p for place in PLACES for p in (root / place).glob(f"*{molecule}*.npz")})
    if len(found) != 1:
        what = f"{', '.join(p.name for p in found)} are there" if found else "there is none"
        raise LabkitError(
            f"dataset MD17: looked for *{molecule}*.npz in {root}: {what}; labkit downloads nothing: give "
            "data: FILE.npz"
        )
    return load(found[0])


def _custom(file: TrainingFile, folder: Path) -> Dataset:
    names = {key: getattr(file, key) for key in ("coord_files", "embed_files", "energy_files", "force_files")}
    for key in ("coord_files", "embed_files"):
        if names[key] is None:
            raise LabkitError(f"dataset Custom: {key} is missing; give a pattern of .npy files")
    patterns = {key: None if name is None else _pattern(name, folder) for key, name in names.items()}
    frames = torchmd_arrays(**patterns, elements=file.embeddings == "elements")
    if file.embeddings == "beads":
        _say("embeddings are types of beads, named by their numbers; embeddings: elements takes them as atomic numbers")
    for note in not_finite(frames):
        _say(note)
    return frames


def _pattern(name: str, folder: Path) -> str:
    given = Path(name).expanduser()
    here = given.is_absolute() or any(given.parent.glob(given.name))
    return str(given if here else folder / given)


READERS: dict[str, Callable[[TrainingFile, Path], Dataset]] = {
    "file": _file,
    "QM9": _qm9,
    "MD17": _md17,
    "HDF5": _hdf5,
    "Custom": _custom,
}


def _in_ev(frames: Dataset, file: TrainingFile, *, said: bool) -> Dataset:
    """The frames with labels in eV and Å; `said`: give a note if these units are assumed."""
    energy = _unit("units", file.units or "eV", UNITS)
    name = file.force_units or f"{file.units or 'eV'}/Å"
    forces = UNITS[name[:-2]] if name.endswith("/Å") and name[:-2] in UNITS else _unit("force_units", name, FORCE_UNITS)
    if file.units is None and file.force_units is None:
        if said:
            _say("labels are taken as eV and eV/Å; if they are others give units: kcal/mol, or the like")
        line = quick_look(frames) if file.dataset == "Custom" or file.coord_files else ""
    else:
        new = {"energy": energy * frames.energy, "forces": forces * frames.forces, "stress": energy * frames.stress}
        frames = replace(frames, **new)
        line = quick_look(frames)
    if line:
        _say(f"{frames.name}: {line}")
    return frames


def _unit(key: str, name: str, known: dict[str, float]) -> float:
    if name not in known:
        raise LabkitError(f"{key} is {name!r}{suggest(name, known)}; expected one of {', '.join(known)}")
    return known[name]


def _check(frames: Dataset, file: TrainingFile) -> None:
    numbers = np.array([z for z in frames.species if z > 0])
    if file.max_z is not None and len(numbers) and numbers.max() >= file.max_z:
        raise LabkitError(
            f"max_z is {file.max_z}, but the frames have atomic number {numbers.max()}; leave the key out"
        )
    known = {name: bool(np.isfinite(getattr(frames, name)).any()) for name in ("energy", "forces", "stress")}
    if file.derivative and not known["forces"]:
        raise LabkitError(f"derivative is true, but no frame of {frames.name} has forces; give derivative: false")
    weights = file.training(1).weights
    if not any(known[name] and getattr(weights, name) for name in known):
        raise LabkitError(
            f"nothing to learn: {frames.name} has {', '.join(n for n in known if known[n]) or 'no labels'}, and the "
            f"weights are energy {weights.energy:g}, forces {weights.forces:g}, stress {weights.stress:g}"
        )


def _say(note: str) -> None:
    warnings.warn(note, DatasetWarning, stacklevel=3)
