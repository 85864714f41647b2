"""A dataset as arrays in files: a folder of .npy, which are memory-mapped and not read, or one .npz."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labkit.datasets.array_structures import ArrayStructures
from labkit.datasets.columns import Columns
from labkit.datasets.labels import LABELS, DatasetWarning
from labkit.datasets.md17 import from_md17, is_md17
from labkit.datasets.streams import check_expansion
from labkit.datasets.structures import Structures
from labkit.errors import LabkitError, suggest
from labkit.files import ODD_CONTENT

NAMES = ("positions", "numbers", "offsets", "cell", "pbc", *(label.name for label in LABELS))
#: what numpy raises for the header of an array that it has not written
ODD = (*ODD_CONTENT, EOFError, OSError, SyntaxError)
GROUPS = {"atoms_": "arrays", "info_": "info"}  # prefix of a name, and the argument that such arrays belong to


def read_folder(folder: Path) -> dict[str, Any]:
    """The arguments of Dataset.from_arrays from NAME.npy in a folder, as arrays mapped for reading; see `load`."""
    files = {path.stem: path for path in sorted(folder.glob("*.npy"))}
    return _sorted({name: _mapped(path) for name, path in files.items()}, folder, ".npy")


def read_npz(path: Path) -> dict[str, Any]:
    """The same from one .npz file, which is read into memory; also from one of MD17 or rMD17."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("one array, not several")
            check_expansion(sum(part.file_size for part in file.zip.infolist()), path.stat().st_size, path)
            found = dict(file)
    except (*ODD, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, LabkitError):
            raise
        raise LabkitError(f"{path}: could not be read as arrays ({error}); write it again") from error
    if not is_md17(found):
        return _sorted(found, path, "")
    arrays, note = from_md17(found, str(path))
    warnings.warn(f"{path}: {note}", DatasetWarning, stacklevel=3)
    return arrays


def write_folder(
    folder: str | os.PathLike[str], atoms: Structures, labels: Mapping[str, np.ndarray], info: Sequence[dict[str, Any]]
) -> None:
    """Write frames as a new folder, all of it or nothing; labels that no frame has are omitted."""
    folder = Path(folder)
    if folder.exists():
        raise LabkitError(f"{folder}: exists; give the name of a new folder")
    arrays = _arrays(atoms)
    arrays |= {name: x for name, x in labels.items() if any(x.strides) and not np.isnan(x).all()}
    if isinstance(info, Columns):
        arrays |= {f"info_{name}": array for name, array in info.arrays.items()}
    elif any(info):
        known = next(sorted(x) for x in info if x)
        raise LabkitError(
            f"{folder}: nothing was written, because info is a list of dicts ({', '.join(known)}), which arrays "
            "cannot hold; use write('x.xyz'), or make the set with Dataset.from_arrays(..., info=...)"
        )
    try:
        temporary = Path(tempfile.mkdtemp(dir=folder.parent or ".", prefix=f".{folder.name}."))
    except OSError as error:
        raise LabkitError(f"{folder}: could not be written ({error.strerror})") from error
    try:
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", array, allow_pickle=False)
        temporary.chmod(0o755)
        temporary.rename(folder)
    except OSError as error:
        raise LabkitError(f"{folder}: could not be written ({error.strerror}); nothing was") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _arrays(atoms: Structures) -> dict[str, np.ndarray]:
    offsets = np.concatenate([[0], np.cumsum(atoms.counts)])
    if not isinstance(atoms, ArrayStructures):
        extra = sorted({name for a in atoms for name in a.arrays} - {"numbers", "positions"})
        alone = [name for name in extra if not all(name in a.arrays for a in atoms)]
        if alone:
            raise LabkitError(f"some frames have no array {alone[0]!r}; set it for all frames or for none")
        atoms = ArrayStructures.build(
            np.concatenate([a.positions for a in atoms]), np.concatenate([a.numbers for a in atoms]), offsets=offsets,
            cell=np.stack([a.cell.array for a in atoms]), pbc=np.stack([a.pbc for a in atoms]),
            arrays={name: np.concatenate([a.arrays[name] for a in atoms]) for name in extra},
        )  # fmt: skip
    rows = np.arange(len(atoms))
    found = {"positions": atoms.positions_of(rows), "offsets": offsets}
    found |= {name: atoms.of_frames(name, rows) for name in ("cell", "pbc")}
    for name, array in atoms.per_atom.items():
        stored = array if atoms.shared(name) else atoms.values(name, rows)
        found[name if name == "numbers" else f"atoms_{name}"] = stored
    return found


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="c", allow_pickle=False)  # changes stay in memory
    except ODD as error:
        raise LabkitError(f"{path}: could not be read as an array ({error}); write it again with numpy.save") from error


def _sorted(found: Mapping[str, np.ndarray], path: Path, ending: str) -> dict[str, Any]:
    for name in ("positions", "numbers"):
        if name not in found:
            what = "is a folder that has" if ending else "has"
            raise LabkitError(
                f"{path}: {what} no {name}{ending}; expected a file of frames, or arrays of positions and numbers"
            )
    given: dict[str, Any] = {group: {} for group in GROUPS.values()}
    for name, array in found.items():
        begin = next((begin for begin in GROUPS if name.startswith(begin)), None)
        if begin is not None:
            given[GROUPS[begin]][name.removeprefix(begin)] = array
        elif name in NAMES:
            given[name] = array
        else:
            hint = suggest(name, NAMES)
            known = ", ".join(NAMES)
            raise LabkitError(f"{path}: unknown array {name!r}; expected {known}, atoms_NAME or info_NAME{hint}")
    return given
