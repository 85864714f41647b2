"""Rows of single frames, each computed once, for sparse points that are chosen from structures without labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase import Atoms
from torch import Tensor, nn

from labkit.base import NO_PROGRESS, Progress, State, find_neighbours
from labkit.config import config as run_config
from labkit.errors import LabkitError, Stopped
from labkit.gap.config import GapConfig
from labkit.gap.rows import Rows
from labkit.gap.sparse import choose_points, make_terms
from labkit.oracles import structure_hash


class FrameRows:
    """Sparse points of a GAP and the rows of any frame, kept by its structure.

    structures  frames without labels, such as a pool: the sparse points are environments of theirs
    virials     whether rows of virials are needed

    Each frame is computed alone, so that its rows do not depend on its companions, not even in their last digits.

    >>> import labkit
    >>> from labkit.gap import GapConfig, Soap
    >>> pool = labkit.datasets.ice("train", n=50)[:4]
    >>> rows = FrameRows(pool.atoms, GapConfig(Soap(n_max=3, l_max=2, n_sparse=10)))
    >>> tuple(rows.of(pool.atoms[0]).force.shape)
    (12, 3, 20)
    """

    def __init__(
        self,
        structures: Sequence[Atoms],
        config: GapConfig,
        *,
        virials: bool = False,
        progress: Progress = NO_PROGRESS,
    ) -> None:
        if not len(structures):
            raise LabkitError("FrameRows: there are no structures; expected some, for the sparse points")
        species = sorted({int(z) for atoms in structures for z in atoms.numbers})
        self.config, self.species, self.virials = config, species, virials
        self.terms = make_terms(config, species).to(run_config().device)
        self.notes = choose_points(self.terms, structures, config, progress)
        self.prior, notes = prior_factor(self.terms, config.sparse_jitter)
        self.notes += notes
        self._kept: dict[str, Rows] = {}

    @property
    def columns(self) -> int:
        """Number of sparse points of all terms."""
        return len(self.prior)

    def of(self, atoms: Atoms) -> Rows:
        """The rows of a frame."""
        key = structure_hash(atoms)
        if key not in self._kept:
            self._kept[key] = compute_rows(self.terms, [atoms], self.config.cutoff, self.virials)
        return self._kept[key]

    def prepare(self, frames: Sequence[Atoms], progress: Progress = NO_PROGRESS) -> None:
        """Compute the rows of these frames now; raises Stopped when asked to."""
        for k, atoms in enumerate(frames):
            if progress.should_stop():
                raise Stopped("stopped while computing rows")
            self.of(atoms)
            progress.update(k + 1, len(frames))


def compute_rows(terms: nn.ModuleList, frames: Sequence[Atoms], cutoff: float, virials: bool) -> Rows:
    """The rows of a batch of frames, the columns of all terms side by side."""
    state = State.from_atoms(list(frames), device=run_config().device)
    near = find_neighbours(state.system, state.positions, state.cell, cutoff)
    return Rows.join([term.rows(state.system, state.positions, state.cell, near, virials) for term in terms])


def prior_factor(terms: nn.ModuleList, jitter: float) -> tuple[Tensor, list[str]]:
    """Upper P with PᵀP = K + jitter; the jitter grows, with a note, where rounding makes K indefinite."""
    covariance = torch.block_diag(*(term.prior() for term in terms))
    eye = torch.eye(len(covariance)).to(covariance)
    size, notes = float(covariance.diagonal().max()), []
    jitter = max(jitter, 1e-15 * size)
    while jitter < 1e-2 * size:
        lower, failed = torch.linalg.cholesky_ex(covariance + jitter * eye)
        if not int(failed):
            return lower.mT.contiguous(), notes
        jitter *= 10
        notes.append(f"sparse_jitter raised to {jitter:.0e}: the sparse points are too similar")
    raise LabkitError(
        "the covariance of the sparse points is not positive definite with any sensible sparse_jitter; "
        "is there an atom without neighbours and central_weight=0, or a broken frame?"
    )
