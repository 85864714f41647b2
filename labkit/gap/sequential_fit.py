"""A GAP to which labelled frames are added one after another."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch

import labkit
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap.e0 import fit_e0
from labkit.gap.fitted_labels import fitted_labels
from labkit.gap.frame_rows import FrameRows
from labkit.gap.metrics import labelled
from labkit.gap.model import GapModel
from labkit.gap.row_store import noises_of, targets_of
from labkit.regression.sequential import SequentialLeastSquares


class SequentialFit:
    """The fit of a GAP with fixed sparse points and sigmas; a frame more costs some ten milliseconds.

    The energies of isolated atoms are fitted again each time: the counts of the elements are further targets of the
    same triangle, so that they may change afterwards. The model depends on the frames and their order alone, not on
    how many were added at a time or on how often it was solved.

    >>> import labkit
    >>> from labkit.gap import GapConfig, Soap
    >>> pool = labkit.datasets.ice("train", n=50)[:6]
    >>> fit = SequentialFit(FrameRows(pool.atoms, GapConfig(Soap(n_max=3, l_max=2, n_sparse=10))))
    >>> fit.add(pool[:4])
    >>> first = fit.solve()
    >>> fit.add(pool[4:])
    >>> fit.solve().metadata["train"]["frames"]
    6
    """

    def __init__(self, rows: FrameRows) -> None:
        self.rows, self.config = rows, rows.config
        self._names = [labkit.base.ELEMENTS.names[z] for z in rows.species]
        self._squares = SequentialLeastSquares(rows.prior, 1 + len(rows.species))
        self._noise = 0.0
        self.frames: Dataset | None = None

    def add(self, frames: Dataset) -> None:
        """Add labelled frames; labels that are missing do not count. Raises LabkitError for other elements."""
        frames, _ = fitted_labels(labelled(frames, "training"), self.config, "training:")
        new = set(frames.species.tolist()) - set(self.rows.species)
        if new:
            raise LabkitError(
                f"{frames.name}: has {', '.join(labkit.base.ELEMENTS.names[z] for z in sorted(new))}, which the "
                "structures that the sparse points come from do not have; make FrameRows of all structures"
            )
        targets, noises = targets_of(frames), noises_of(frames, self.config)
        sigmas = {"energy": self.config.sigma_energy, "forces": self.config.sigma_force}
        if self.rows.virials:
            sigmas["stress"] = self.config.sigma_virial
        for k, atoms in enumerate(frames.atoms):
            rows, span = self.rows.of(atoms), slice(3 * int(frames.offsets[k]), 3 * int(frames.offsets[k + 1]))
            places = {"energy": slice(k, k + 1), "forces": span, "stress": slice(6 * k, 6 * k + 6)}
            blocks = {"energy": rows.energy, "forces": rows.force.flatten(0, 1)}
            if rows.virial is not None:
                blocks["stress"] = rows.virial.flatten(0, 1)
            for name, sigma in sigmas.items():
                if sigma is None:
                    continue
                y = targets[name][places[name]]
                known = torch.isfinite(y)
                if not bool(known.any()):
                    continue
                noise = (noises[name][places[name]] * sigma)[known]
                columns = y.new_zeros(len(y), 1 + len(self.rows.species))
                columns[:, 0] = y
                if name == "energy":
                    columns[0, 1:] = torch.tensor([float((atoms.numbers == z).sum()) for z in self.rows.species])
                self._squares.add(blocks[name][known] / noise[:, None], columns[known] / noise[:, None])
                self._noise += float(noise.log().sum())
        self.frames = frames if self.frames is None else self.frames + frames

    def solve(self) -> GapModel:
        """The GAP of all frames added so far, with its variance. Raises LabkitError if there are none."""
        if self.frames is None:
            raise LabkitError("this fit has no frames yet; add(frames) first")
        known = self.config.e0 if isinstance(self.config.e0, Mapping) else {}
        e0 = dict.fromkeys(self._names, 0.0) | dict(known) | fit_e0(self.frames, self.config)
        combination = torch.tensor([1.0, *(-e0[name] for name in self._names)], dtype=torch.float64)
        found = self._squares.solve(combination)
        evidence = found.log_evidence - self._noise
        metadata = {
            "log_evidence": evidence if math.isfinite(evidence) else None,
            "train": {"name": self.frames.name, "hash": self.frames.hash, "frames": len(self.frames)},
            "stresses": self.rows.virials and bool(np.isfinite(self.frames.stress).any()),
            "labkit": labkit.__version__,
        }
        return GapModel(
            self.config, self.rows.terms, found.weights, e0,
            prior=self.rows.prior, factor=found.factor, metadata=metadata,
        )  # fmt: skip
