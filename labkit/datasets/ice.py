"""The shipped frames of ice, checked against their sums."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from labkit.datasets.collect import collect
from labkit.datasets.dataset import Dataset
from labkit.datasets.extxyz import chunks, parse
from labkit.datasets.source import remember
from labkit.errors import LabkitError, suggest

FILES = {
    "train": "train.xyz.xz",
    "valid": "valid.xyz.xz",
    "normal_modes": "normal_modes.xyz.xz",
    "disordered": "disordered.xyz.xz",
    "minimum": "minimum.xyz",
    "stretch": "stretch.xyz.xz",
}
SUMS = "SHA256SUMS"
KEYS = {"energy": "energy", "forces": "forces", "stress": "stress", "polarizability": None}


def ice(name: str = "train", n: int | None = None) -> Dataset:
    """Return shipped frames of ice (4 H2O, PBE): "train", "valid" or another of FILES.

    `n` takes the first frames: those of "train" are ordered so that 50, 100, 200 and 400 (all) are nested sets spread
    over its 16 trajectories. "valid" holds the other 4 trajectories; "stretch" is a scan of one O-H bond. Others are
    "normal_modes", "disordered" and "minimum". See data/ice/README.md.

    Raises LabkitError for an unknown name, a missing or changed file. LABKIT_DATA names another data folder.

    >>> ice("train", n=200)
    Dataset('ice train', 200 frames, 2400 atoms)
    """
    if name not in FILES:
        raise LabkitError(f"no ice frames called {name!r}; expected one of {', '.join(FILES)}{suggest(name, FILES)}")
    path = verified(data_folder() / "ice" / FILES[name])
    frames = []
    for chunk in chunks(path):
        if n is not None and len(frames) == n:
            break
        frames.append(parse(chunk))
    if n is not None and (n < 1 or n > len(frames)):
        raise LabkitError(f"ice({name!r}, n={n}): expected n from 1 to the number of its frames, {len(frames)}")
    found = collect(frames, dict(KEYS), str(path))
    frames = Dataset(found.atoms, **found.labels, info=found.info, name=f"ice {name}")
    return remember(frames, f'labkit.datasets.ice("{name}"{"" if n is None else f", n={n}"})')


def data_folder() -> Path:
    """The folder of the shipped data: LABKIT_DATA, or data/ beside the package's source."""
    if "LABKIT_DATA" in os.environ:
        folder, origin = Path(os.environ["LABKIT_DATA"]), "LABKIT_DATA names it"
    else:
        folder, origin = Path(__file__).resolve().parents[2] / "data", "it belongs beside the folder labkit"
    if not (folder / "ice" / SUMS).is_file():
        raise LabkitError(
            f"{folder / 'ice'}: the shipped data is not there ({origin}); get labkit's repository and set LABKIT_DATA "
            "to its data folder"
        )
    return folder


def verified(path: Path) -> Path:
    """Return `path` if its content has the sha256 sum listed in SHA256SUMS beside it."""
    lines = (path.parent / SUMS).read_text().splitlines()
    sums = {name: digest for digest, name in (line.split() for line in lines if line.strip())}
    if path.name not in sums:
        raise LabkitError(f"{path.parent / SUMS}: has no sum for {path.name}; restore the folder from the repository")
    if not path.is_file():
        raise LabkitError(f"{path}: missing; restore it from the repository (git checkout -- {path.name})")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sums[path.name]:
        raise LabkitError(
            f"{path}: its content has changed (sha256 {found[:12]}..., expected {sums[path.name][:12]}...); restore it "
            f"from the repository, as in git checkout -- {path.name}"
        )
    return path
