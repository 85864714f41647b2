"""gap_committee(): several GAPs of the same frames, whose spread is an uncertainty."""

from __future__ import annotations

import numpy as np

from labkit.base import NO_PROGRESS, Committee, Progress
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap.config import GapConfig
from labkit.gap.design import Design


def gap_committee(
    frames: Dataset,
    config: GapConfig | None = None,
    *,
    members: int = 4,
    seeds: bool = False,
    bootstrap: bool = True,
    progress: Progress = NO_PROGRESS,
) -> Committee:
    """Fit M GAPs with the same settings that differ by their sparse points, their frames, or both.

    members    M
    seeds      whether each member chooses its own sparse points; its rows are then computed again, M times the cost
    bootstrap  whether each member has its own draw of as many frames with replacement; rows are shared, so that M fits
               cost little more than one

    A draw that lacks a species, or whose e0 is that of isolated atoms, has e0 of all frames.

    Raises LabkitError for fewer than two members, and for members that would all be the same.

    >>> import labkit
    >>> from labkit.gap import Soap
    >>> frames = labkit.datasets.ice("train", n=50)[:6]
    >>> len(gap_committee(frames, GapConfig(Soap(n_max=3, l_max=2, n_sparse=20)), members=3).potentials)
    3
    """
    if members < 2:
        raise LabkitError(f"members is {members}; a committee has at least 2")
    if not seeds and len(frames) == 1:
        raise LabkitError(
            "all members would be the same, as all draws from one frame are; give seeds=True or more frames"
        )
    if not (seeds or bootstrap):
        raise LabkitError("all members would be the same: let them differ by seeds=True, bootstrap=True, or both")
    config = config or GapConfig()
    made = members if seeds else 1
    designs = [
        Design.build(frames, config.replace(seed=abs(config.seed) + k), progress=progress.part(k, made))
        for k in range(made)
    ]
    found = []
    for k in range(members):
        design = designs[k if seeds else 0]
        if bootstrap:
            drawn = np.random.default_rng([abs(config.seed), k]).integers(len(frames), size=len(frames))
            design = _drawn(design, np.sort(drawn).tolist())
        found.append(design.solve())
    return Committee(found)


def _drawn(design: Design, drawn: list[int]) -> Design:
    """The design of some frames; with e0 of all frames if these lack a species or the isolated atoms."""
    whole = design.config.e0_method == "isolated" or len(design.train[drawn].species) < len(design.train.species)
    return design.subset(drawn, e0=design.e0 if whole else None)
