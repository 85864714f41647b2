"""`load`: frames from extended XYZ, ASE databases or files of arrays, with their labels found and checked."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path

from ase import Atoms

from labkit.datasets.array_files import read_folder, read_npz
from labkit.datasets.audit.quick import quick_look
from labkit.datasets.collect import collect, report
from labkit.datasets.dataset import Dataset
from labkit.datasets.extxyz import CutFrame, chunks, parse
from labkit.datasets.labels import DatasetWarning, Key
from labkit.datasets.missing_labels import not_finite
from labkit.datasets.source import of_call, remember
from labkit.datasets.streams import MAGIC, existing
from labkit.datasets.torchmd_hdf5 import read_hdf5
from labkit.errors import LabkitError

ULM = b"- of Ulm"
#: readers of arrays, by the ending of a file
ARRAYS = {".npz": read_npz, ".h5": read_hdf5, ".hdf5": read_hdf5}


def load(
    path: str | os.PathLike[str],
    energy_key: Key = None,
    forces_key: Key = None,
    stress_key: Key = None,
    polarizability_key: Key = None,
    born_charges_key: Key = None,
    *,
    keep_whole: bool = False,
    keep_placeholders: bool = False,
) -> Dataset:
    """Read labelled frames from extended XYZ (plain, .gz, .xz, .bz2, .zst), an ASE database (.db, .json) or .traj.

    Energies in eV, forces in eV/Å, stresses in eV/Å^3 (ASE's sign), polarizabilities in Å^3, Born charges in e. A key
    that is not given is guessed, with a GuessedKeys warning, which a notebook shows as a quiet note; False omits a
    label. A key with "virial" in its name becomes a stress, -virial / volume. Labels that a frame lacks are NaN.

    A folder of .npy files, or .npz, holds the arrays of Dataset.from_arrays, with a file for each: positions, numbers,
    forces, ..., info_NAME, and atoms_NAME for further arrays of atoms. Files of a folder are mapped, not read.
    The .npz of MD17 and rMD17 (kcal/mol, which become eV) and TorchMD-Net's .h5 are read, too.

    Labels that are not finite, or placeholders (0, -1, 999 where nothing was computed), are missing labels and named
    in a DatasetWarning; `keep_placeholders=True` takes the latter as they are.

    The cheap part of the audit looks at the frames, except those of a folder; what is surely wrong (units, signs,
    shifted labels, repeated frames) is said in a DatasetWarning.

    With `keep_whole=True` the complete frames of a file that ends inside a frame are read.

    Raises LabkitError that names the file, the frame (counted from 0), the line, key or atom, and says what to do.

    >>> from labkit.datasets import ice
    >>> ice("train", n=50).write("/tmp/labkit-doctest.xyz.gz")
    >>> load("/tmp/labkit-doctest.xyz.gz", energy_key="energy", forces_key="forces", stress_key=False)
    Dataset('labkit-doctest', 50 frames, 600 atoms)
    """
    path = Path(path)
    if path.is_dir() or path.suffix in ARRAYS:
        arrays = read_folder(path) if path.is_dir() else ARRAYS[path.suffix](existing(path))
        found = replace(Dataset.from_arrays(**arrays, name=str(path)), name=path.stem)  # errors name the path
        remember(found, of_call("labkit.load", path, {}))
        if path.is_dir():
            return found  # files that are mapped are not read
        for note in not_finite(found):
            warnings.warn(f"{path}: {note}", DatasetWarning, stacklevel=2)
        return _looked_at(found, path)
    path = existing(path)
    requested = {
        "energy": energy_key,
        "forces": forces_key,
        "stress": stress_key,
        "polarizability": polarizability_key,
        "born_charges": born_charges_key,
    }
    frames = _frames(path, keep_whole, stress_key is False)
    found = collect(frames, requested, str(path), keep_placeholders=keep_placeholders)
    report(found, requested, str(path))
    dataset = Dataset(found.atoms, **found.labels, info=found.info, name=path.name.split(".")[0])
    flags = {"keep_whole": keep_whole or None, "keep_placeholders": keep_placeholders or None}
    keys = {f"{name}_key": key for name, key in requested.items()}
    remember(dataset, of_call("labkit.load", path, keys | flags))
    return _looked_at(dataset, path)


def _looked_at(dataset: Dataset, path: Path) -> Dataset:
    """The dataset, after a warning if something is surely wrong with it."""
    if line := quick_look(dataset):
        warnings.warn(f"{path}: {line}", DatasetWarning, stacklevel=3)
    return dataset


def _frames(path: Path, keep_whole: bool, no_stress: bool) -> list[Atoms]:
    with open(path, "rb") as file:
        start = file.read(16)
    if start.startswith(b"SQLite format 3\0"):
        return _database(path, "db")
    if path.suffix == ".json":
        return _database(path, "json")
    if start.startswith(ULM):
        return _trajectory(path)
    if path.suffix in (".db", ".traj"):
        kind = "database" if path.suffix == ".db" else "trajectory"
        raise LabkitError(f"{path}: not an ASE {kind}, it begins with {start!r}")
    if b"\0" in start and not start.startswith(tuple(MAGIC)):
        raise LabkitError(f"{path}: binary, expected extended XYZ (also compressed), .db, .json or .traj of ASE")
    return _xyz(path, keep_whole, no_stress)


def _xyz(path: Path, keep_whole: bool, no_stress: bool) -> list[Atoms]:
    frames: list[Atoms] = []
    try:
        for chunk in chunks(path):
            frames.append(parse(chunk, no_stress))
    except CutFrame as error:
        if not keep_whole or not frames:
            raise
        warnings.warn(f"{error}; kept {len(frames)} frames", DatasetWarning, stacklevel=4)
    return frames


def _database(path: Path, kind: str) -> list[Atoms]:
    import ase.db

    try:
        frames = []
        with ase.db.connect(path, type=kind, use_lock_file=False) as database:
            for row in database.select():
                atoms = row.toatoms()
                atoms.info = {**row.key_value_pairs, **row.data}
                frames.append(atoms)
        return frames
    except Exception as error:  # sqlite3, json and the decoding of rows each fail in their own ways
        raise LabkitError(f"{path}: could not be read as an ASE database ({type(error).__name__}: {error})") from error


def _trajectory(path: Path) -> list[Atoms]:
    from ase.io.trajectory import Trajectory

    try:
        with Trajectory(path) as trajectory:
            return list(trajectory)
    except Exception as error:  # the reader fails in many ways on a damaged file
        raise LabkitError(f"{path}: not readable as an ASE trajectory ({type(error).__name__}: {error})") from error
