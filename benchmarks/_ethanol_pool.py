"""Pools of ethanol for the benchmark of active learning: trajectories by GFN2-xTB, each a file, labelled in a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labkit.base import NO_PROGRESS
from labkit.datasets import Dataset
from labkit.datasets.extxyz import chunks, parse
from labkit.datasets.writing import write_frames
from labkit.oracles import LabelStore, TBLite
from tools.ethanol.frames import _trajectory
from tools.ethanol.sets import Stratum


def generated(setup: Mapping[str, Any], folder: Path, share: float, which: str) -> Dataset:
    """Pool or test frames with a share of rare ones, info["stratum"] says which; no two sets share a trajectory.

    A killed run loses one trajectory; labels are in the store of the folder.
    """
    plan, size = setup["generated"], setup["generated"]["pool" if which == "pool" else "test"]
    rare = round(share * size)
    frames = [
        *_taken(plan["narrow"], size - rare, plan["first_trajectory"][which], folder, "narrow"),
        *_taken(plan["rare"], rare, plan["first_trajectory"][which] + 2000, folder, "rare"),
    ]
    order = np.random.default_rng(plan["seed"]).permutation(len(frames))
    with LabelStore(folder / "labels.sqlite") as store:
        labelled = list(TBLite(**setup["oracle"]).label([frames[k] for k in order], store))
    return Dataset.from_atoms(labelled, name=f"ethanol, {share:.0%} rare, {which}")


def _taken(strata: Sequence[Mapping[str, Any]], count: int, first: int, folder: Path, name: str) -> list[Any]:
    """`count` frames, an equal number of each stratum, from as many trajectories as they need."""
    found = []
    for place, plain in enumerate(strata):
        wanted = count // len(strata) + (place < count % len(strata))
        trajectories, temperatures = -(-wanted // plain["samples"]), tuple(plain["temperatures"])
        stratum = Stratum(plain["kind"], trajectories, plain["samples"], temperatures, plain["spacing"])
        part = []
        for k in range(stratum.trajectories):
            path = folder / "frames" / f"trajectory-{first + 300 * place + k}.xyz"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                made = _trajectory(first + 300 * place + k, k, stratum, NO_PROGRESS)
                write_frames(path, ((atoms, {}, atoms.info) for atoms in made))
            part += [parse(chunk) for chunk in chunks(path)]
        for atoms in part[:wanted]:
            atoms.info["stratum"] = name
        found += part[:wanted]
    return found
