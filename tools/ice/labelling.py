"""Label many frames with an oracle: one file per frame, several at a time, resumable."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from labkit.base.progress import NO_PROGRESS, Progress
from labkit.datasets.collect import check_structure
from labkit.datasets.dataset import Dataset
from labkit.datasets.extxyz import chunks, parse
from labkit.datasets.labels import values
from labkit.errors import LabkitError, Stopped
from labkit.oracles import LabelStore, Oracle, outcomes

LABELS = ("energy", "forces", "stress", "polarizability")


def label_frames(
    frames: Sequence[Atoms],
    oracle: Oracle,
    folder: str | os.PathLike[str],
    workers: int = 1,
    progress: Progress = NO_PROGRESS,
    store: LabelStore | None = None,
) -> Dataset:
    """Label `frames` and return them as a Dataset; each label is a file in `folder` as soon as it exists.

    With a store, existing labels are taken from it, new ones are written to it first, and all calculations are
    recorded in it. A second call uses the existing files, so that a killed run loses at most the `workers` frames
    being computed; Stop ends those and raises Stopped with the finished ones. The oracle is called from threads: one
    that runs a program (Espresso) keeps `workers` processors busy.

    Raises LabkitError if the folder holds labels of other structures or another oracle, or, after all frames were
    tried, if some failed; successful labels stay.

    >>> from ase.build import molecule
    >>> from ase.calculators.emt import EMT
    >>> from labkit.oracles import CalculatorOracle
    >>> frames = [molecule("N2"), molecule("O2")]
    >>> label_frames(frames, CalculatorOracle("EMT", EMT), "/tmp/labkit-doctest-labels", workers=2)
    Dataset('labkit-doctest-labels', 2 frames, 4 atoms)
    """
    if workers < 1:
        raise LabkitError(f"workers is {workers}, expected at least 1")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for i, atoms in enumerate(frames):
        check_structure(atoms, f"frame {i}")
    paths = [folder / f"frame-{i:05d}.xyz" for i in range(len(frames))]
    done = {i for i, path in enumerate(paths) if path.exists() and _belongs(path, frames[i], oracle.name)}
    failed = _work(frames, paths, done, oracle, workers, progress, store)
    if failed:
        first = min(failed)
        raise LabkitError(
            f"{len(failed)} of {len(frames)} frames could not be labelled; the others are in {folder}. "
            f"Frame {first}: {failed[first]}"
        )
    return _read(paths, folder.name)


def _work(
    frames: Sequence[Atoms],
    paths: list[Path],
    done: set[int],
    oracle: Oracle,
    workers: int,
    progress: Progress,
    store: LabelStore | None,
) -> dict[int, LabkitError]:
    todo, failed = sorted(set(range(len(frames))) - done), {}
    start, before = time.monotonic(), len(done)
    progress.update(len(done), len(frames), failed=0)
    unlabelled = [frames[i] for i in todo]
    try:
        for outcome in outcomes(oracle, unlabelled, store, workers=workers, should_stop=progress.should_stop):
            i = todo[outcome.index]
            if outcome.label is None:
                failed[i] = outcome.error
            else:  # a label that cannot be stored ends the run: the next ones could not be stored either
                _keep(oracle.labelled(frames[i], outcome.label), paths[i])
                done.add(i)
            rate = (time.monotonic() - start) / max(len(done) - before + len(failed), 1)
            progress.update(len(done), len(frames), failed=len(failed), seconds_per_frame=rate)
    except Stopped as stopped:
        whole = [path for path in paths if path.exists()]
        stopped.partial = _read(whole, paths[0].parent.name) if whole else None
        raise
    return failed


def _keep(labelled: Atoms, path: Path) -> None:
    _dataset([labelled], "").write(path)


def _belongs(path: Path, atoms: Atoms, oracle: str) -> bool:
    found = parse(next(chunks(path)))
    same = (
        np.array_equal(found.numbers, atoms.numbers)
        and np.array_equal(found.positions, atoms.positions)
        and np.array_equal(found.cell.array, atoms.cell.array)
    )
    if not same or found.info.get("oracle") != oracle:
        what = "another structure" if not same else f"labels by {found.info.get('oracle')!r}, not {oracle!r}"
        raise LabkitError(f"{path}: holds {what}; choose an empty folder, or remove this one")
    return True


def _read(paths: list[Path], name: str) -> Dataset:
    return _dataset([parse(next(chunks(path))) for path in paths], name)


def _dataset(frames: list[Atoms], name: str) -> Dataset:
    """Take the oracle's labels, not others that the frames may have, such as REF_energy."""
    found = {key for atoms in frames for key in values(atoms)}
    keys = {f"{label}_key": label if label in found else False for label in LABELS}
    return Dataset.from_atoms(frames, **keys, name=name)
