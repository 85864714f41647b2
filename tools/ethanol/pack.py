"""Pack what has been labelled so far for shipping: one file per set with the labels of both levels, sums and README."""

from __future__ import annotations

import hashlib
import lzma
import os
from pathlib import Path

from ase import Atoms

from labkit.datasets.ice import SUMS
from labkit.datasets.writing import frame_text
from labkit.errors import LabkitError
from labkit.files import atomic_write
from labkit.oracles import LabelStore
from tools.ethanol.frames import available, set_frames
from tools.ethanol.labels import LEVELS, label_store
from tools.ethanol.readme import readme


def pack(folder: str | os.PathLike[str], destination: str | os.PathLike[str]) -> list[Path]:
    """Write each set of `folder` that has labels as `destination`/NAME.xyz.xz; equal labels make equal files.

    Frames without any label are left out. A frame has energy_gfn2 and forces_gfn2, and energy_pbe and forces_pbe where
    they have been computed. Raises LabkitError if there are no labels at all.
    """
    destination = Path(destination)
    with label_store(folder) as store:
        texts = {name: text for name in available(folder) if (text := _set_text(set_frames(folder, name), store))}
    if not texts:
        raise LabkitError(f"{folder}: no frame has been labelled; label the frames before they are packed")
    destination.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in texts.items():
        path = destination / f"{name}.xyz.xz"
        atomic_write(path, lzma.compress(text.encode(), preset=9))
        written.append(path)
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in written)
    atomic_write(destination / SUMS, sums)
    atomic_write(destination / "README.md", readme(folder))
    return written


def _set_text(some: list[Atoms], store: LabelStore) -> str:
    labelled = (_labelled(atoms, store) for atoms in some)
    return "".join(frame_text(atoms, {}, atoms.info) for atoms in labelled if atoms is not None)


def _labelled(atoms: Atoms, store: LabelStore) -> Atoms | None:
    found = {level: store.get(atoms, oracle) for level, oracle in LEVELS.items()}
    if not any(found.values()):
        return None
    frame = atoms.copy()
    for level, one in found.items():
        if one is not None:
            frame.info[f"energy_{level}"] = one.energy
            frame.set_array(f"forces_{level}", one.forces)
    return frame
