"""TorchMD-Net's HDF5 files: groups of frames with the same number of atoms, each with types, pos, energy and forces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from labkit.datasets.streams import check_expansion
from labkit.errors import LabkitError

NAMES = {"types": "numbers", "pos": "positions", "energy": "energy", "forces": "forces"}


def read_hdf5(path: Path) -> dict[str, Any]:
    """The arguments of Dataset.from_arrays; `types` are atomic numbers, labels eV and eV/Å.

    Raises LabkitError, naming the group, for a file that has another layout, cannot be read, or refers to other files.
    """
    try:
        import h5py
    except ImportError as error:
        raise LabkitError(f'{path}: HDF5 needs h5py; run: pip install "labkit[trajectories]"') from error
    parts: list[dict[str, np.ndarray]] = []
    try:
        with h5py.File(path, "r") as file:
            size = sum(file[g][x].nbytes for g in file if g != "_metadata" for x in file[g] if x in NAMES)
            check_expansion(size, path.stat().st_size, path)
            parts = [_group(file[name], f"{path}: group {name!r}") for name in file if name != "_metadata"]
    except LabkitError:
        raise
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise LabkitError(f"{path}: not an HDF5 file of TorchMD-Net's layout ({error})") from error
    if not parts:
        raise LabkitError(f"{path}: has no groups of frames; expected groups with types, pos, energy or forces")
    counts = np.concatenate([np.full(len(p["positions"]), p["positions"].shape[1]) for p in parts])
    found: dict[str, Any] = {
        "positions": np.concatenate([p["positions"].reshape(-1, 3) for p in parts]),
        "numbers": np.concatenate([p["numbers"].reshape(-1) for p in parts]),
        "offsets": np.concatenate([[0], np.cumsum(counts)]),
    }
    for name, shape in (("energy", (-1,)), ("forces", (-1, 3))):
        if any(name in p for p in parts):
            found[name] = np.concatenate([_label(p, name).reshape(shape) for p in parts])
    return found


def _group(group: Any, where: str) -> dict[str, np.ndarray]:
    for key in ("types", "pos"):
        if key not in group:
            raise LabkitError(f"{where}: has no {key}; expected types, pos, and energy or forces")
    found = {}
    for key in NAMES.keys() & set(group):
        if group[key].external or group[key].is_virtual:
            raise LabkitError(f"{where}: {key} lies in another file, which is not read")
        found[NAMES[key]] = np.asarray(group[key][()])
    if found["positions"].ndim != 3 or found["positions"].shape[2] != 3:
        raise LabkitError(f"{where}: pos has the shape {found['positions'].shape}; expected (frames, atoms, 3)")
    frames, atoms = found["positions"].shape[:2]
    shapes = {"energy": ((frames,), (frames, 1)), "forces": ((frames, atoms, 3),)}
    shapes["numbers"] = ((atoms,), (frames, atoms))
    for name, allowed in shapes.items():
        if name in found and found[name].shape not in allowed:
            raise LabkitError(f"{where}: {name} has the shape {found[name].shape}; expected {allowed[0]}")
    if not {"energy", "forces"} & found.keys():
        raise LabkitError(f"{where}: has neither energy nor forces; expected at least one")
    found["numbers"] = np.broadcast_to(found["numbers"].astype(int), (frames, atoms))
    return found


def _label(part: dict[str, np.ndarray], name: str) -> np.ndarray:
    """A label of a group as floats; NaN if it has none."""
    shape = part["positions"].shape if name == "forces" else (len(part["positions"]),)
    return np.asarray(part[name], float) if name in part else np.full(shape, np.nan)
