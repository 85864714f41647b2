"""The base of all oracles: settings with a hash, one calculation, and frames labelled through the store."""

from __future__ import annotations

import dataclasses
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from ase import Atoms

from labkit.base.progress import NO_PROGRESS, Progress
from labkit.errors import LabkitError
from labkit.oracles.label import Label
from labkit.oracles.labelling import outcomes
from labkit.oracles.settings import settings_hash

if TYPE_CHECKING:
    from labkit.oracles.store import LabelStore


def never() -> bool:
    return False


class Oracle(ABC):
    """Base class of what labels frames. Each kind is a frozen dataclass in its own file; its fields are its settings.

    `compute` is the only method that a new kind must write; a line in `registry.py` makes it known by name. Fields
    with the metadata NOT_HASHED, such as a number of threads, do not affect labels and are not part of the hash.

    kind  the name of the kind, part of the hash
    name  method and settings in one line, for display; stored with each label
    """

    kind: ClassVar[str]
    name: str  # a property or a field

    @abstractmethod
    def compute(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> Label:
        """One calculation, without the store; may be called from several threads at once.

        Raises Unconverged if the self-consistent field did not converge, CalculationFailed if the program
        failed, MissingProgram, and Stopped once `should_stop`, called during the calculation, has returned True.
        """

    def with_store(self, store: LabelStore) -> Oracle:
        """The oracle as it labels frames for this store: itself, unless it keeps parts of its labels there."""
        return self

    def timed(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> tuple[Label, float]:
        """One calculation, and the seconds that it took; without waiting, for an oracle that computes elsewhere.

        The error of a calculation elsewhere has the attribute `seconds`.
        """
        started = time.monotonic()
        label = self.compute(atoms, should_stop)
        return label, time.monotonic() - started

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that a label depends on besides the structure."""
        fields = [field for field in dataclasses.fields(self) if field.metadata.get("hashed", True)]
        return {field.name: getattr(self, field.name) for field in fields}

    @cached_property
    def hash(self) -> str:
        """sha256 of kind and settings, the same in every process and on every machine."""
        return settings_hash({"kind": self.kind, "settings": self.settings})

    @property
    def cores(self) -> int:
        """Cores that one calculation uses: recorded with its seconds."""
        return 1

    def require(self) -> None:  # noqa: B027 (most oracles need nothing)
        """Raise MissingProgram, with the command that installs it, unless all that it needs is installed."""

    def label(
        self,
        frames: Sequence[Atoms],
        store: LabelStore | None = None,
        *,
        workers: int = 1,
        progress: Progress = NO_PROGRESS,
    ) -> Iterator[Atoms]:
        """Yield a labelled copy of each frame, in order; its info["oracle"] is the oracle's name.

        With a store, existing labels are reused and new ones are written before they are yielded, so that a
        second call continues where the first was stopped or killed. `workers` frames are computed at a time. A frame
        that fails is left out, and LabkitError names it after all others have been tried. Raises Stopped when
        `progress` asks to stop.

        >>> from ase.build import molecule
        >>> from labkit.oracles import TBLite
        >>> (water,) = TBLite("GFN1-xTB").label([molecule("H2O")])
        >>> round(water.get_potential_energy(), 3)
        -156.968
        """
        if isinstance(frames, Atoms):
            raise LabkitError("label() takes a list of frames; pass [atoms], or use compute(atoms) for one")
        ready: dict[int, Atoms | None] = {}
        failed: dict[int, Exception] = {}
        yielded = 0
        progress.update(0, len(frames), failed=0)
        for outcome in outcomes(self, frames, store, workers=workers, should_stop=progress.should_stop):
            ready[outcome.index] = self.labelled(frames[outcome.index], outcome.label)
            if outcome.error is not None:
                failed[outcome.index] = outcome.error
            progress.update(len(ready) + yielded, len(frames), failed=len(failed))
            while yielded in ready:
                atoms = ready.pop(yielded)
                yielded += 1
                if atoms is not None:
                    yield atoms
        if failed:
            raise LabkitError(_failures(failed, len(frames)))

    def labelled(self, atoms: Atoms, label: Label | None) -> Atoms | None:
        """A copy of the frame with the label and the oracle's name; None if there is no label."""
        if label is None:
            return None
        frame = label.attach(atoms)
        frame.info["oracle"] = self.name
        return frame


def threads() -> int:
    """How many threads programs with OpenMP use: OMP_NUM_THREADS, or else all cores of this process."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if first.isdigit() and int(first):
        return int(first)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _failures(failed: dict[int, Exception], total: int) -> str:
    first = min(failed)
    return f"{len(failed)} of {total} frames could not be labelled. Frame {first}: {failed[first]}"
