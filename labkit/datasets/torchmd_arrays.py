"""TorchMD-Net's Custom data set: .npy files of positions, embeddings, energies and forces, for coarse-graining."""

from __future__ import annotations

import glob
from pathlib import Path

import numpy as np

from labkit.datasets.array_files import ODD
from labkit.datasets.dataset import Dataset
from labkit.errors import LabkitError

BEAD_MASS = 12.0  # u; training does not use it, and a run takes masses from its topology


def torchmd_arrays(
    coord_files: str,
    embed_files: str,
    energy_files: str | None = None,
    force_files: str | None = None,
    *,
    elements: bool = False,
) -> Dataset:
    """Frames from .npy files, named by patterns such as data/*coords.npy; the files of each pattern, sorted by name,
    belong together one by one.

    coord_files   (F, N, 3) Å
    embed_files   (N,) whole numbers: bead types, type 4 with the name "4"; with `elements`, atomic numbers
    energy_files  (F,) or (F, 1) eV
    force_files   (F, N, 3) eV/Å

    A single file is memory-mapped, not read. Raises LabkitError, naming the file, if it is not an array or the shapes
    do not fit.
    """
    names = {"coord_files": coord_files, "embed_files": embed_files}
    names |= {key: x for key, x in (("energy_files", energy_files), ("force_files", force_files)) if x}
    if len(names) == 2:
        raise LabkitError("energy_files and force_files are missing; give at least one of them")
    files = {key: _files(key, pattern) for key, pattern in names.items()}
    for key, found in files.items():
        if len(found) != len(files["coord_files"]):
            raise LabkitError(
                f"{key}: {names[key]} names {len(found)} files, but coord_files names {len(files['coord_files'])}; "
                "expected one for each"
            )
    arrays = {key: [_read(path) for path in paths] for key, paths in files.items()}
    for k in range(len(files["coord_files"])):
        _check({key: x[k] for key, x in arrays.items()}, {key: x[k] for key, x in files.items()})
    positions, embeddings = arrays["coord_files"], [x.astype(int) for x in arrays["embed_files"]]
    counts = np.concatenate([np.full(len(p), p.shape[1]) for p in positions])
    one = len(positions) == 1
    kinds = embeddings[0] if one else np.concatenate([np.tile(e, len(p)) for e, p in zip(embeddings, positions)])
    beads = {} if elements else {"types": kinds.astype(str), "masses": np.full(len(kinds), BEAD_MASS)}
    labels = {}
    if "energy_files" in arrays:
        labels["energy"] = np.concatenate([np.asarray(x, float).reshape(-1) for x in arrays["energy_files"]])
    if "force_files" in arrays:
        labels["forces"] = _joined(arrays["force_files"])
    file = np.repeat(np.arange(len(positions)), [len(p) for p in positions])
    return Dataset.from_arrays(
        _joined(positions),
        kinds if elements else np.zeros_like(kinds),
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        arrays=beads,
        info={"file": file},
        name=Path(files["coord_files"][0]).stem,
        **labels,
    )


def _files(key: str, pattern: str) -> list[Path]:
    found = [Path(name) for name in sorted(glob.glob(str(Path(pattern).expanduser())))]
    if not found:
        raise LabkitError(f"{key}: {pattern}: there is no such file")
    return found


def _read(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except ODD as error:
        raise LabkitError(f"{path}: could not be read as an array ({error}); write it with numpy.save") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise LabkitError(f"{path}: expected one array of numbers, as numpy.save writes it")
    return array


def _check(arrays: dict[str, np.ndarray], paths: dict[str, Path]) -> None:
    positions, embeddings = arrays["coord_files"], arrays["embed_files"]
    if positions.ndim != 3 or positions.shape[2] != 3 or positions.dtype.kind != "f":
        raise LabkitError(
            f"{paths['coord_files']}: {positions.dtype} {positions.shape}; expected floats (frames, beads, 3)"
        )
    frames, beads = positions.shape[:2]
    expected = {"embed_files": ((beads,),), "energy_files": ((frames,), (frames, 1)), "force_files": (positions.shape,)}
    for key, shapes in expected.items():
        if key in arrays and arrays[key].shape not in shapes:
            raise LabkitError(
                f"{paths[key]}: has the shape {arrays[key].shape}; expected {shapes[0]}, for {paths['coord_files']}"
            )
    if (embeddings != embeddings.astype(int)).any() or (embeddings < 0).any():
        raise LabkitError(f"{paths['embed_files']}: expected whole numbers from 0, found {embeddings.tolist()[:8]}")


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """(n, 3) of all files; a single file stays memory-mapped."""
    return parts[0].reshape(-1, 3) if len(parts) == 1 else np.concatenate([p.reshape(-1, 3) for p in parts])
