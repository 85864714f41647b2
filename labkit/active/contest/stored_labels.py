"""StoredLabels: an oracle that looks its labels up, so that strategies can be compared without a calculation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from ase import Atoms

from labkit.active.pool.candidates import candidates, unlabelled
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.oracles import CalculationFailed, Label, LabelStore, Oracle, structure_hash
from labkit.oracles.oracle import never
from labkit.oracles.settings import NOT_HASHED


@dataclass(frozen=True, eq=False)
class StoredLabels(Oracle):
    """Labels of frames as an oracle; a frame without an energy or forces cannot be labelled.

    frames   a Dataset with labels of one oracle (as info["oracle"] says, where it is there)
    seconds  that a label has cost, of all or of each frame; they are booked
    label_cores  that it was computed on

    Raises LabkitError, naming both, for labels of two oracles.

    >>> import labkit
    >>> frames = labkit.datasets.ethanol("valid", n=3, level="gfn2")
    >>> label, seconds = StoredLabels(frames, seconds=0.0036).timed(frames.atoms[1])
    >>> bool(label.energy == frames.energy[1]), seconds
    (True, 0.0036)
    """

    kind: ClassVar[str] = "stored labels"
    frames: Dataset = field(metadata=NOT_HASHED)
    seconds: float | Sequence[float] = field(default=1.0, metadata=NOT_HASHED)
    label_cores: int = field(default=1, metadata=NOT_HASHED)

    def __post_init__(self) -> None:
        names = {str(info["oracle"]) for info in self.frames.info if "oracle" in info}
        if len(names) > 1:
            raise LabkitError(
                f"{self.frames.name or 'frames'}: labelled by {' and by '.join(sorted(names))}; labels of two oracles "
                "cannot be mixed: take the frames of one"
            )
        cost = np.broadcast_to(np.asarray(self.seconds, dtype=float), len(self.frames))
        if not (np.isfinite(cost).all() and (cost >= 0).all()):
            raise LabkitError("StoredLabels: seconds are not all finite and positive; give what a label has cost")
        rows = {structure_hash(atoms): k for k, atoms in reversed(list(enumerate(candidates(self.frames))))}
        object.__setattr__(self, "_rows", rows)
        object.__setattr__(self, "_cost", cost)
        object.__setattr__(self, "_name", next(iter(names), f"labels of {self.frames.name or 'frames'}"))

    @classmethod
    def of_store(cls, store: LabelStore, oracle: Oracle, frames: Dataset | Sequence[Atoms]) -> StoredLabels:
        """Those frames that have labels of this oracle in a store, with their cost.

        Raises LabkitError if none has, naming the oracles that the store has labels of.
        """
        given = unlabelled(frames)
        labels = [store.get(atoms, oracle) for atoms in candidates(given)]
        rows = [k for k, label in enumerate(labels) if label is not None]
        if not rows:
            others = ", ".join(name for _, name, _ in store.oracles().values()) or "none"
            raise LabkitError(
                f"{store.path}: none of {len(given)} frames has a label of {oracle.name}; it has labels of: {others}"
            )
        spent = {c.structure: c.seconds for c in store.calculations(oracle) if c.outcome == "labelled"}
        made = []
        for k in rows:
            atoms = labels[k].attach(given.atoms[k])
            atoms.info = {**given.info[k], "oracle": oracle.name}
            made.append(atoms)
        seconds = [spent.get(structure_hash(atoms), 0.0) for atoms in (candidates(given)[k] for k in rows)]
        return cls(Dataset.from_atoms(made, name=f"{given.name} by {oracle.name}"), seconds, oracle.cores)

    @property
    def name(self) -> str:
        return self._name  # type: ignore[attr-defined]

    @property
    def settings(self) -> dict[str, Any]:
        return {"labels": self.frames.hash}

    @property
    def cores(self) -> int:
        return self.label_cores

    def compute(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> Label:
        return self.timed(atoms, should_stop)[0]

    def timed(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> tuple[Label, float]:
        k = self._rows.get(structure_hash(atoms))  # type: ignore[attr-defined]
        found = {} if k is None else self.frames.labels(k)
        values = {name: found[name] for name in ("energy", "forces", "stress") if name in found}
        if not {"energy", "forces"} <= values.keys():
            raise CalculationFailed(
                f"{self.name}: this frame has no stored {'label' if k is None else 'energy and forces'}"
            )
        return Label(values, "stored"), float(self._cost[k])  # type: ignore[attr-defined]
