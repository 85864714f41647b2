"""The sets of benchmarks/neural.py: folders of train.xyz, valid.xyz and test.xyz."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import labkit
from labkit.datasets import Dataset, ethanol, ice

Parts = tuple[Dataset, Dataset, Dataset]


def _ethanol(folder: Path | None) -> Parts:
    return ethanol("train"), ethanol("valid"), ethanol("test")


def _ice(folder: Path | None) -> Parts:
    """Test frames are from trajectories of their own; the few that the peers validate with are not."""
    known = ice("train")
    return known[:200], known[200:260], ice("valid")


def _small(folder: Path | None) -> Parts:
    known = ice("train", n=20)
    return known[:16], known[16:], ice("valid")[:4]


def _rmd17(molecule: str) -> Callable[[Path | None], Parts]:
    def read(folder: Path | None) -> Parts:
        known, unseen = (
            labkit.load(folder / "rmd17" / f"rmd17_{molecule}_{name}_01.npz") for name in ("train", "test")
        )
        return known[:950], known[950:], unseen[:300]

    return read


def _3bpa(folder: Path | None) -> Parts:
    """Trained at 300 K; tested at 300, 600 and 1,200 K."""
    known, unseen = (labkit.load(folder / "3bpa" / f"train_{name}.xyz.xz") for name in ("300K", "mixedT"))
    rows = np.linspace(0, len(unseen) - 1, 300).astype(int)
    return known[:450], known[450:], unseen[rows.tolist()]


SHIPPED = {"ethanol": _ethanol, "ice": _ice, "small": _small}
FOREIGN = {"rmd17-ethanol": _rmd17("ethanol"), "rmd17-aspirin": _rmd17("aspirin"), "3bpa": _3bpa}
NAMES = {
    "ethanol": "ethanol (data/ethanol), 600 frames",
    "ice": "ice, 200 frames of 12 atoms",
    "small": "ice, 16 frames",
    "rmd17-ethanol": "ethanol of rMD17, 950 frames",
    "rmd17-aspirin": "aspirin of rMD17, 950 frames",
    "3bpa": "3BPA, 450 frames at 300 K, tested at 300 to 1,200 K",
}


def written(name: str, folder: Path | None, into: Path) -> Path | None:
    """The folder of a set, written if it is not there; None for one of --data where that is not given."""
    if name in FOREIGN and folder is None:
        return None
    place = into / name
    if not place.exists():
        parts = {**SHIPPED, **FOREIGN}[name](folder)
        place.mkdir(parents=True)
        for part, frames in zip(("train", "valid", "test"), parts, strict=True):
            frames.write(place / f"{part}.xyz")
    return place
