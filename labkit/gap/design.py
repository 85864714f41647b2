"""Design: the part of a GAP fit that does not depend on the noise, built once; each fit then takes milliseconds."""

from __future__ import annotations

import copy
import os
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ase
import numpy as np
import pandas as pd

import labkit
from labkit.base import NO_PROGRESS, Progress
from labkit.base.frames import batches, check_species
from labkit.config import config as run_config
from labkit.datasets import Dataset, DatasetWarning
from labkit.datasets.audit.quick import quick_look
from labkit.datasets.e0 import e0_notes
from labkit.datasets.overlap import overlap_note
from labkit.errors import LabkitError, Stopped
from labkit.gap import configtext
from labkit.gap.checkpoint import RowCheckpoint
from labkit.gap.config import GapConfig
from labkit.gap.e0 import fit_e0
from labkit.gap.fitted_labels import fitted_labels
from labkit.gap.frame_noise import config_types
from labkit.gap.frame_rows import compute_rows, prior_factor
from labkit.gap.metrics import labelled, table
from labkit.gap.model import GapModel
from labkit.gap.row_store import RowStore
from labkit.gap.rows import Rows
from labkit.gap.sparse import choose_points, make_terms
from labkit.regression import BlockLeastSquares

BATCH = 72  # atoms whose descriptors are computed together


class Design:
    """The design matrix of a GAP on training and validation frames.

    Building takes seconds (descriptors and their derivatives); `solve` takes milliseconds for any sigma, because a
    sigma only weights blocks of rows whose triangular factors are kept.

    >>> import labkit
    >>> from labkit.gap import Design, GapConfig, Soap
    >>> train, valid = labkit.datasets.ice("train", n=50)[:8], labkit.datasets.ice("valid")[:4]
    >>> design = Design.build(train, GapConfig(Soap(n_max=4, l_max=3, n_sparse=40)), valid=valid)
    >>> model = design.solve(sigma_energy=0.001, sigma_force=0.05)
    >>> design.errors(model).loc[("valid", "forces"), "unit"]
    'meV/Å'
    """

    def __init__(self, train: Dataset, config: GapConfig, valid: Dataset | None = None) -> None:
        configtext.check_own_fit(config)
        self.config, self.notes = (
            config,
            [f"{x} is for gap_fit; labkit's own fit does not use it" for x in config.ignored],
        )
        self.train, notes = fitted_labels(labelled(train, "training"), config, "training:")
        self.valid = None
        if valid is not None:
            self.valid, more = fitted_labels(labelled(valid, "validation"), config, "validation:")
            notes += more
            check_species(self.valid.atoms, [int(z) for z in self.train.species], self.valid.name)
        if not np.isfinite(self.train.energy).any() and not np.isfinite(self.train.forces).any():
            raise LabkitError(f"{self.train.name}: none of {len(self.train)} training frames has an energy or forces")
        self.e0 = fit_e0(self.train, config)
        shared = "" if self.valid is None else overlap_note(self.train, self.valid)
        self.terms = make_terms(config, [int(z) for z in self.train.species]).to(run_config().device)
        odd = e0_notes(self.train, self.e0)
        for note in odd:
            warnings.warn(f"{self.train.name}: {note}", DatasetWarning, stacklevel=4)
        if line := quick_look(self.train):
            notes.append(f"training: {line}")
        self.notes += [*notes, *odd, *([shared] if shared else [])]
        self.blocks: int | None = None  # computed so far, of both sets; None once all are
        self._core: BlockLeastSquares | None = None
        self._lock = threading.RLock()  # a growing design may be solved from another thread

    @classmethod
    def build(
        cls,
        train: Dataset | Sequence[ase.Atoms],
        config: GapConfig | None = None,
        *,
        valid: Dataset | Sequence[ase.Atoms] | None = None,
        progress: Progress = NO_PROGRESS,
        checkpoint: str | os.PathLike[str] | None = None,
        blocks: int | None = None,
    ) -> Design:
        """Compute all rows; with a `checkpoint` folder, rows that a killed run had finished are not computed again.

        `blocks` leaves out all but the first blocks of frames: the design that a run had when it was stopped there.

        Raises LabkitError for frames that cannot be trained on, and Stopped, whose `partial` is a Design of the frames
        done so far, on request.
        """
        *_, design = cls.grow(train, config, valid=valid, progress=progress, checkpoint=checkpoint, blocks=blocks)
        return design

    @classmethod
    def grow(
        cls,
        train: Dataset | Sequence[ase.Atoms],
        config: GapConfig | None = None,
        *,
        valid: Dataset | Sequence[ase.Atoms] | None = None,
        progress: Progress = NO_PROGRESS,
        checkpoint: str | os.PathLike[str] | None = None,
        blocks: int | None = None,
    ) -> Iterator[Design]:
        """Like `build`, but yield the design after every block of frames; it can be solved each time."""
        design = cls(train, config or GapConfig(), valid)
        yield from design.growing(RowCheckpoint(checkpoint, design) if checkpoint else None, progress, blocks)

    @property
    def columns(self) -> int:
        """Number of sparse points M of all terms."""
        return sum(term.columns for term in self.terms)

    @property
    def n_frames(self) -> int:
        """Number of training frames whose rows have been computed."""
        return self._rows["train"].done if hasattr(self, "_rows") else 0

    def solve(
        self,
        *,
        sigma_energy: float | None = None,
        sigma_force: float | None = None,
        sigma_virial: float | None = None,
    ) -> GapModel:
        """Fit with these noises [eV/sqrt(atom), eV/Å, eV/sqrt(atom)]; by default those of the config."""
        given = {"sigma_energy": sigma_energy, "sigma_force": sigma_force, "sigma_virial": sigma_virial}
        config = self.config.replace(**{key: value for key, value in given.items() if value is not None})
        if not self.n_frames:
            raise LabkitError("this design has no rows yet; create it with Design.build(...)")
        if sigma_force is not None and not self._forces:
            raise LabkitError("sigma_force was given, but this design was built without forces (sigma_force=None)")
        if sigma_virial is not None and not self._virials:
            raise LabkitError("sigma_virial was given, but this design was built without stresses")
        sigmas = {"energy": config.sigma_energy, "forces": config.sigma_force, "stress": config.sigma_virial}
        with self._lock:
            if self._core is None:
                self._core = BlockLeastSquares(self._prior_factor, self._rows["train"].blocks())
            solution = self._core.solve(sigmas)
            frames = self.n_frames
        metadata: dict[str, Any] = {
            "log_evidence": solution.log_evidence,
            "train": {"name": self.train.name, "hash": self.train.hash, "frames": frames},
            "stresses": self._virials,
            "labkit": labkit.__version__,
        }
        return GapModel(
            config, self.terms, solution.weights, self.e0,
            prior=self._prior_factor, factor=solution, metadata=metadata,
        )  # fmt: skip

    def subset(self, frames: Sequence[int], *, e0: Mapping[str, float] | None = None) -> Design:
        """The design of these training frames: rows are reused, and sparse points remain those of all frames.

        Nested subsets of one design make a learning curve from one set of descriptors. e0 is that of the subset unless
        it is given.
        """
        part = copy.copy(self)
        part.__setstate__({**self.__getstate__(), "train": self.train[list(frames)]})
        part.e0 = fit_e0(part.train, self.config) if e0 is None else dict(e0)
        part.notes = list(self.notes)
        part._rows = dict(self._rows)
        part._rows["train"] = self._rows["train"].subset(list(frames), part.train, part.e0, self.config)
        return part

    def __getstate__(self) -> dict[str, Any]:
        """What a worker needs: all except the lock and what is computed again from the rows."""
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_core")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.RLock(), _core=None)

    def predictions(self, model: GapModel, which: str = "valid") -> dict[str, np.ndarray]:
        """Predictions for the rows' frames, without computing descriptors: energy, forces, stress and `..._true`."""
        if which not in self._rows:
            raise LabkitError(f"this design has no {which!r} frames; it has {', '.join(self._rows)}")
        with self._lock:
            return self._rows[which].predictions(model.weights, self.e0)

    def errors(self, model: GapModel) -> pd.DataFrame:
        """RMSE, MAE and maximum of both sets, in meV/atom, meV/Å and GPa."""
        return table({name: self.predictions(model, name) for name in self._rows})

    def leave_one_out(self, model: GapModel) -> dict[str, np.ndarray]:
        """Predictions for each training frame by the model fitted without it, from the rows (no refit).

        With H_f = X_f A⁻¹ X_fᵀ of a frame's scaled rows, the residuals are (1 - H_f)⁻¹ (y_f - X_f c).
        """
        return self._rows["train"].leave_one_out(model, self.e0)

    @property
    def _forces(self) -> bool:
        return self.config.sigma_force is not None

    @property
    def _virials(self) -> bool:
        return self.config.sigma_virial is not None and bool(np.isfinite(self.train.stress).any())

    def growing(
        self, kept: RowCheckpoint | None = None, progress: Progress = NO_PROGRESS, blocks: int | None = None
    ) -> Iterator[Design]:
        """Compute all rows, or read those that are kept, and yield this design about a dozen times."""
        self._choose_points(kept, progress)
        self._prior_factor, notes = prior_factor(self.terms, self.config.sparse_jitter)
        self.notes += notes
        self._rows = {"train": RowStore(self.train, self.columns, self._virials, self._forces)}
        self._rows["train"].target(self.e0, self.config)
        if self.valid is not None:
            self._rows["valid"] = RowStore(self.valid, self.columns, self._virials, True)
        plan = self._plan()
        work = plan[:blocks]
        batches_of_train = [step for step, (name, _) in enumerate(work, 1) if name == "train"]
        n = len(batches_of_train)
        shown = {len(work), *(batches_of_train[-(-n * i // 12) - 1] for i in range(1, 13) if n)}  # designs yielded
        for step, (name, frames) in enumerate(work, 1):
            if progress.should_stop():
                raise Stopped("stopped while building the design", self if self.n_frames else None)
            rows = kept.read(name, frames[0], self._rows[name].shapes(frames)) if kept else None
            if rows is None:
                rows = self._compute(name, frames)
                if kept:
                    kept.write(name, frames[0], rows)
            with self._lock:
                self._rows[name].put(frames, rows)
                self._core = None
            self.blocks = step if step < len(plan) else None
            progress.update(step, len(work), frames=self.n_frames)
            if step in shown:
                yield self

    def _choose_points(self, kept: RowCheckpoint | None, progress: Progress = NO_PROGRESS) -> None:
        if kept and (notes := kept.read_points(self.terms)) is not None:
            self.notes += notes
            return
        known = len(self.notes)
        self.notes += choose_points(
            self.terms, self.train.atoms, self.config, progress, config_types(self.train, self.config)
        )
        if kept:
            kept.write_points(self.terms, self.notes[known:])

    def _plan(self) -> list[tuple[str, list[int]]]:
        """Batches of both sets alternately, so that both errors can be followed together."""
        train = [("train", b) for b in batches(self.train.counts, BATCH)]
        valid = [] if self.valid is None else [("valid", b) for b in batches(self.valid.counts, BATCH)]
        keyed = [((k + 0.5) / len(part), part[k]) for part in (train, valid) for k in range(len(part))]
        return [item for _, item in sorted(keyed, key=lambda pair: pair[0])]

    def _compute(self, name: str, frames: list[int]) -> Rows:
        atoms = self._rows[name].frames.atoms
        return compute_rows(self.terms, [atoms[k] for k in frames], self.config.cutoff, self._virials)
