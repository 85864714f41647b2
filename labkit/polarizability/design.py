"""TensorDesign: descriptors and covariances of tensors, computed once; each regularization then takes milliseconds."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

import labkit
from labkit.base import NO_PROGRESS, Progress
from labkit.config import config
from labkit.errors import LabkitError
from labkit.polarizability.environments import Environments, TensorDescriptor
from labkit.polarizability.kernel import pooled
from labkit.polarizability.labels import Frames, is_periodic, read_labels, structures
from labkit.polarizability.model import TensorModel
from labkit.polarizability.settings import Settings
from labkit.polarizability.span import Span
from labkit.polarizability.target import Target, as_target
from labkit.regression import Spectral

_KEPT = 12  # sets of training frames, the one used longest ago goes first


@dataclass(frozen=True, eq=False)
class _Part:
    """A set of training frames: labels less their mean, what spans the model, eigenvectors of the covariance."""

    frames: Tensor
    labels: dict[int, Tensor]
    mean: Tensor
    points: Environments
    spectral: dict[int, Spectral]
    hash: str


class TensorDesign:
    """Symmetry-adapted Gaussian-process regression of tensors, one kernel a λ.

    With n_sparse=None the covariance of frames is used whole (exact regression); with a number so many environments
    of each species span the model. The noise of an extensive property grows with the root of a frame's atoms.

    >>> import labkit
    >>> from labkit.polarizability import TensorDesign, with_label
    >>> frames = with_label(labkit.datasets.ice("train"), "polarizability")[:12]
    >>> design = TensorDesign.build(frames, target="polarizability", n_max=3, l_max=2, n_features=20)
    >>> model = design.solve(regularization={0: 1e-6, 2: 1e-4}, train=range(10))
    >>> values, spread = model.predict(frames[10:])
    >>> values.shape, spread.shape
    ((2, 3, 3), (2, 3, 3))
    """

    def __init__(
        self, atoms: list[Atoms], values: np.ndarray, descriptor: TensorDescriptor, here: Environments
    ) -> None:
        self.atoms, self.descriptor, self.environments = atoms, descriptor, here
        self.notes: list[str] = []
        device = here.weight.device
        self.counts = torch.tensor([len(a) for a in atoms], device=device)
        self.values = torch.as_tensor(values, dtype=torch.float64, device=device)
        target = self.target
        labels = pooled(self.values, here.frame, self.counts, "neutral") if target.of == "neutral" else self.values
        self._labels = target.to_spherical(labels)
        of_row = self.counts if target.of == "cell" else torch.ones_like(labels.flatten(1)[:, 0])
        self._scale = of_row.to(torch.float64) ** -0.5
        species = torch.tensor(self.settings.species, device=device)
        kinds = (here.numbers[:, None] == species).to(torch.float64)
        self._composition = pooled(kinds, here.frame, self.counts, target.of)
        self._rows_of = torch.arange(len(self._scale), device=device) if not target.per_atom else here.frame
        self._span = Span(self.settings, here, self.notes)
        self._rows = {degree: self._span.covariances(here, self.counts, degree) for degree in target.parts}
        self._kept: OrderedDict[bytes, _Part] = OrderedDict()

    @classmethod
    def build(
        cls,
        frames: Frames,
        target: str | Target = "polarizability",
        *,
        progress: Progress = NO_PROGRESS,
        **settings: Any,
    ) -> TensorDesign:
        """Compute descriptors and covariances of all frames: those to train on and those to test with.

        `settings` are those of Settings: n_max, l_max, cutoff, atom_sigma, zeta, n_features, n_sparse, ...
        Raises LabkitError for frames that lack the property or hold it in a form that cannot be right, and for
        settings that make no sense; Stopped when asked to.
        """
        target = as_target(target)
        Settings.check_names(settings)
        values, notes = read_labels(frames, target)
        atoms = structures(frames)
        species = tuple(int(z) for z in np.unique(np.concatenate([a.numbers for a in atoms])))
        descriptor = TensorDescriptor(Settings(target, species, **settings)).to(config().device).narrowed(atoms)
        design = cls(atoms, values, descriptor, descriptor.environments(atoms, progress))
        design.notes += notes
        return design

    @property
    def settings(self) -> Settings:
        return self.descriptor.settings

    @property
    def target(self) -> Target:
        return self.settings.target

    @property
    def columns(self) -> int:
        """Number of the functions that span the model, each with 2λ+1 components."""
        return self._span.points.n_groups

    def solve(
        self, regularization: float | Mapping[int, float] = 1e-6, train: Sequence[int] | np.ndarray | None = None
    ) -> TensorModel:
        """Fit to the frames `train` (all), with one noise variance a λ, relative to the mean variance of the kernel.

        The first solution for a set of frames takes an eigendecomposition, each further one milliseconds.
        """
        noise = self._noises(regularization)
        part = self._part(self._frames(train))
        posterior = {degree: part.spectral[degree].solve(y, noise[degree]) for degree, y in part.labels.items()}
        metadata = {
            "regularization": {str(degree): value for degree, value in noise.items()},
            "train": {"hash": part.hash, "indices": part.frames.tolist()},
            "periodic": is_periodic(self.atoms, self.target),
            "labkit": labkit.__version__,
            "notes": self.notes,
        }
        return TensorModel(self.descriptor, part.points, posterior, part.mean, metadata)

    def predictions(self, model: TensorModel, frames: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """What a model of this design says about its frames (ascending), without a descriptor being computed."""
        train = model.metadata["train"]
        part = self._part(self._frames(train["indices"])) if max(train["indices"]) < len(self.atoms) else None
        if part is None or part.hash != train["hash"]:
            raise LabkitError("this model was not fitted by this design; use model.predict(frames)")
        rows = self._rows_in(self._frames(frames))
        columns = slice(None) if self.settings.n_sparse else self._rows_in(part.frames)
        parts = {}
        for degree, posterior in model.posterior.items():
            k = self._rows[degree][rows][:, :, columns].flatten(2)
            parts[degree] = k @ posterior.weights
            if degree == 0:
                parts[0] = parts[0] + (self._composition[rows] @ model.mean)[:, None]
        return self.target.to_cartesian(parts).cpu().numpy()

    def leave_out(
        self,
        regularization: float | Mapping[int, float] = 1e-6,
        train: Sequence[int] | np.ndarray | None = None,
        groups: Sequence[Hashable] | None = None,
    ) -> dict[int, tuple[Tensor, Tensor]]:
        """{λ: labels and predictions (rows, 2λ+1)} of each training frame by the model fitted without it; no refit.

        `groups` gives a name for each frame of the design; frames of one name are left out together, as those of one
        trajectory should be. λ whose regularization is not given are left out, too. Only the composition's mean, and
        with n_sparse the choice of points, still know the frame.
        """
        part = self._part(self._frames(train))
        noise = regularization if isinstance(regularization, Mapping) else self._noises(regularization)
        names = list(range(len(self.atoms)) if groups is None else groups)
        if len(names) != len(self.atoms):
            raise LabkitError(f"{len(names)} groups were given for {len(self.atoms)} frames; give one for each")
        number = {name: k for k, name in enumerate(dict.fromkeys(names))}
        owner = torch.tensor([number[name] for name in names])[self._rows_of[self._rows_in(part.frames)].cpu()]
        together = [torch.nonzero(owner == k)[:, 0] for k in torch.unique(owner)]
        found = {}
        for degree, value in noise.items():
            size, y = 2 * degree + 1, part.labels[degree]
            rows = [(size * g[:, None] + torch.arange(size)).flatten().to(y.device) for g in together]
            predicted = part.spectral[degree].leave_out(y, value, rows)
            found[degree] = y.view(-1, size), predicted.view(-1, size)
        return found

    def truth(self, frames: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """The labels of frames, ascending as in `predictions`; Born charges without their mean."""
        rows = self._rows_in(self._frames(frames))
        return self.target.to_cartesian({degree: y[rows] for degree, y in self._labels.items()}).cpu().numpy()

    def _frames(self, which: Sequence[int] | np.ndarray | None) -> Tensor:
        n = len(self.atoms)
        try:
            found = np.arange(n) if which is None else np.arange(n)[np.asarray(which)]
        except IndexError:
            raise LabkitError(f"train={which!r} does not select from the {n} frames of this design") from None
        if not found.size:
            raise LabkitError("no frame was selected; give at least one")
        return torch.as_tensor(np.unique(found), device=self.counts.device)

    def _rows_in(self, frames: Tensor) -> Tensor:
        """The rows of some frames, ascending."""
        return torch.nonzero(torch.isin(self._rows_of, frames))[:, 0]

    def _noises(self, given: float | Mapping[int, float]) -> dict[int, float]:
        parts = list(self.target.parts)
        noise = dict(given) if isinstance(given, Mapping) else dict.fromkeys(parts, given)
        if sorted(noise) != sorted(parts):
            raise LabkitError(
                f"regularization has lambda {', '.join(map(str, noise)) or '(none)'}, but {self.target.name} has the "
                f"parts {', '.join(map(str, parts))}; give one number for each, as in {dict.fromkeys(parts, 1e-6)}"
            )
        return noise

    def _mean(self, rows: Tensor) -> Tensor:
        """The part of λ = 0 that the composition explains, an atom of each species."""
        if 0 not in self._labels:
            return self._composition.new_zeros(len(self.settings.species))
        scaled = self._composition[rows] * self._scale[rows, None]
        return torch.linalg.pinv(scaled) @ (self._labels[0][rows, 0] * self._scale[rows])

    def _part(self, frames: Tensor) -> _Part:
        """All that is the same for every regularization of these training frames."""
        key = frames.cpu().numpy().tobytes()
        if key not in self._kept:
            rows = self._rows_in(frames)
            mean = self._mean(rows)
            labels = {degree: y[rows] for degree, y in self._labels.items()}
            if 0 in labels:
                labels[0] = labels[0] - (self._composition[rows] @ mean)[:, None]
            points = self._span.points if self.settings.n_sparse else self._span.points.of_frames(frames)
            spectral = {
                degree: self._span.spectral(degree, self._rows[degree], rows, self._scale[rows], self._rows_of[rows])
                for degree in labels
            }
            flat = {degree: y.flatten() for degree, y in labels.items()}
            self._kept[key] = _Part(frames, flat, mean, points, spectral, self._hash(frames))
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _hash(self, frames: Tensor) -> str:
        digest = hashlib.sha256()
        for k in frames.tolist():
            atoms = self.atoms[k]
            for array in (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc):
                digest.update(np.asarray(array, dtype="<f8").tobytes())
        digest.update(self.values[self._rows_in(frames)].cpu().numpy().astype("<f8").tobytes())
        return digest.hexdigest()
