"""The shipped frames of ethanol, checked against their sums."""

from __future__ import annotations

from labkit.datasets.collect import collect
from labkit.datasets.dataset import Dataset
from labkit.datasets.extxyz import chunks, parse
from labkit.datasets.ice import data_folder, verified
from labkit.errors import LabkitError, suggest

SETS = ("train", "valid", "test", "hot", "stretched", "wide", "wide_test", "isolated_atoms")
LEVELS = {"pbe": "PBE/def2-SVP", "gfn2": "GFN2-xTB"}


def ethanol(name: str = "train", n: int | None = None, *, level: str = "pbe") -> Dataset:
    """Return shipped frames of an ethanol molecule: "train", "valid", "test" (500 K) or another of SETS.

    `level` chooses the labels: "pbe" (PBE/def2-SVP) or "gfn2" (GFN2-xTB). Frames without them are left out; where a
    frame also has those of the other level, they are its info["energy_..."] [eV] and its array "forces_..." [eV/Å].
    `n` takes the first frames, which are a smaller set of the same kind. Sets share no trajectory.

    "hot" is at 800 K, "stretched" a scan of O-H and C-C, "wide" a pool (800 to 1600 K, stretched bonds, turned groups)
    with its "wide_test"; "isolated_atoms" have the energies E0. See data/ethanol/README.md.

    Raises LabkitError for an unknown name or level, a missing or changed file. LABKIT_DATA names another data folder.

    >>> ethanol("valid", level="gfn2")
    Dataset('ethanol valid, GFN2-xTB', 150 frames, 1350 atoms)
    """
    if name not in SETS:
        raise LabkitError(f"no ethanol frames called {name!r}; expected one of {', '.join(SETS)}{suggest(name, SETS)}")
    if level not in LEVELS:
        raise LabkitError(f"no level {level!r}; expected one of {', '.join(LEVELS)}{suggest(level, LEVELS)}")
    path = data_folder() / "ethanol" / f"{name}.xyz.xz"
    if not path.exists():
        raise LabkitError(f"{path}: these frames have not been labelled yet; README.md beside it lists those that have")
    path = verified(path)
    keys = {"energy": f"energy_{level}", "forces": f"forces_{level}", "stress": False, "polarizability": False}
    frames = [frame for frame in map(parse, chunks(path)) if keys["energy"] in frame.info]
    if not frames:
        raise LabkitError(f"{path}: no frame has labels of {LEVELS[level]} yet; see README.md beside it")
    if n is not None and not 1 <= n <= len(frames):
        raise LabkitError(
            f"ethanol({name!r}, n={n}): expected n from 1 to the number of frames with labels of {LEVELS[level]}, "
            f"{len(frames)}"
        )
    found = collect(frames[:n], keys, str(path), keep_placeholders=True)  # forces on isolated atoms are 0
    return Dataset(found.atoms, **found.labels, info=found.info, name=f"ethanol {name}, {LEVELS[level]}")
