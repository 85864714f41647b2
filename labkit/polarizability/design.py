"""TensorDesign: descriptors and covariances of tensors, computed once; each regularization then takes milliseconds."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

import labkit
from labkit.base import NO_PROGRESS, Progress
from labkit.config import config
from labkit.errors import LabkitError
from labkit.polarizability.committee import TensorCommittee
from labkit.polarizability.descriptor import TensorDescriptor
from labkit.polarizability.environments import Environments
from labkit.polarizability.labels import Frames, is_periodic, read_labels, structures
from labkit.polarizability.model import TensorModel
from labkit.polarizability.rows import TensorRows
from labkit.polarizability.settings import Settings
from labkit.polarizability.subsampling import fit_committee
from labkit.polarizability.target import Target, as_target

Noise = float | Mapping[int, float]
Which = Sequence[int] | np.ndarray | None


class TensorDesign:
    """Symmetry-adapted Gaussian-process regression of tensors, one kernel per λ.

    With n_sparse=None the full covariance of frames is used (exact regression); otherwise n_sparse environments
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
        self.atoms, self.descriptor = atoms, descriptor
        self.notes: list[str] = []
        self.rows = TensorRows(atoms, values, descriptor.settings, here, self.notes)

    @classmethod
    def build(
        cls,
        frames: Frames,
        target: str | Target = "polarizability",
        *,
        progress: Progress = NO_PROGRESS,
        **settings: Any,
    ) -> TensorDesign:
        """Compute descriptors and covariances of all frames, for training and for testing.

        `settings` are those of Settings: n_max, l_max, cutoff, atom_sigma, zeta, n_features, n_sparse, ...
        Raises LabkitError for frames that lack the property or have implausible values of it, and for
        invalid settings; Stopped on request.
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
        """Number of functions that span the model, each with 2λ+1 components."""
        return self.rows.span.points.n_groups

    def solve(self, regularization: Noise = 1e-6, train: Which = None) -> TensorModel:
        """Fit to the frames `train` (all), with one noise variance per λ, relative to the mean variance of the kernel.

        The first solution for a set of frames needs an eigendecomposition, each further one milliseconds. The spread
        of predictions is about the size of the errors if the noise is close to the best one of `noise_map`; if it
        is far smaller than what n_sparse points leave unexplained, the spread is too wide. That of `committee` is
        calibrated for any noise.
        """
        noise = self._noises(regularization)
        part = self.rows.part(self._frames(train))
        posterior = {degree: part.spectral[degree].solve(y, noise[degree]) for degree, y in part.labels.items()}
        metadata = {
            "regularization": {str(degree): value for degree, value in noise.items()},
            "train": {"hash": self.rows.hash(part), "indices": part.frames.tolist()},
            "periodic": is_periodic(self.atoms, self.target),
            "labkit": labkit.__version__,
            "notes": self.notes,
        }
        return TensorModel(self.descriptor, part.points, posterior, part.mean, metadata)

    def committee(
        self,
        regularization: Noise = 1e-6,
        train: Which = None,
        members: int = 8,
        seed: int = 0,
        groups: Sequence[Hashable] | None = None,
    ) -> TensorCommittee:
        """The fit of `solve` with `members` around it, from random halves of its frames: see TensorCommittee.

        `groups` has a name for each frame of the design: frames with one name, such as those of one trajectory, stay
        together in the halves and when left out. Raises LabkitError for fewer than 4 members or frames (names).
        """
        noise = self._noises(regularization)
        return fit_committee(self.solve(noise, train), self.rows, noise, members, seed, self._owners(groups))

    def predictions(self, model: TensorModel, frames: Which = None) -> np.ndarray:
        """Predictions of a model of this design for its frames (ascending), without computing descriptors."""
        train = model.metadata["train"]
        known = max(train["indices"]) < len(self.atoms)
        part = self.rows.part(self._frames(train["indices"])) if known else None
        if part is None or self.rows.hash(part) != train["hash"]:
            raise LabkitError("this model was not fitted by this design; use model.predict(frames)")
        rows = self.rows.of(self._frames(frames))
        parts = {}
        for degree, posterior in model.posterior.items():
            k = self.rows.covariances[degree][rows][:, :, self.rows.columns(part)].flatten(2)
            parts[degree] = k @ posterior.weights
            if degree == 0:
                parts[0] = parts[0] + self.rows.baseline(rows, model.mean)[:, None]
        return self.target.to_cartesian(parts).cpu().numpy()

    def leave_out(
        self, regularization: Noise = 1e-6, train: Which = None, groups: Sequence[Hashable] | None = None
    ) -> dict[int, tuple[Tensor, Tensor]]:
        """{λ: labels and predictions (rows, 2λ+1)} of each training frame by the model fitted without it; no refit.

        `groups` has a name for each frame of the design; frames with one name are left out together, as those
        of one trajectory should be. λ whose regularization is not given are omitted. Only the composition's mean, and
        with n_sparse the choice of points, still depend on the frame.
        """
        noise = regularization if isinstance(regularization, Mapping) else self._noises(regularization)
        return self.rows.leave_out(self.rows.part(self._frames(train)), noise, self._owners(groups))

    def truth(self, frames: Which = None) -> np.ndarray:
        """The labels of frames, ascending as in `predictions`; Born charges without their mean."""
        rows = self.rows.of(self._frames(frames))
        return self.target.to_cartesian({degree: y[rows] for degree, y in self.rows.labels.items()}).cpu().numpy()

    def _frames(self, which: Which) -> Tensor:
        n = len(self.atoms)
        try:
            found = np.arange(n) if which is None else np.arange(n)[np.asarray(which)]
        except IndexError:
            raise LabkitError(f"train={which!r} does not select from the {n} frames of this design") from None
        if not found.size:
            raise LabkitError("no frame was selected; select at least one")
        return torch.as_tensor(np.unique(found), device=self.rows.frame.device)

    def _owners(self, groups: Sequence[Hashable] | None) -> Tensor:
        """The number of each frame's group."""
        names = list(range(len(self.atoms)) if groups is None else groups)
        if len(names) != len(self.atoms):
            raise LabkitError(f"{len(names)} groups were given for {len(self.atoms)} frames; give one for each")
        number = {name: k for k, name in enumerate(dict.fromkeys(names))}
        return torch.tensor([number[name] for name in names])

    def _noises(self, given: Noise) -> dict[int, float]:
        parts = list(self.target.parts)
        noise = dict(given) if isinstance(given, Mapping) else dict.fromkeys(parts, given)
        if sorted(noise) != sorted(parts):
            raise LabkitError(
                f"regularization has lambda {', '.join(map(str, noise)) or '(none)'}, but {self.target.name} has the "
                f"parts {', '.join(map(str, parts))}; give one number for each, as in {dict.fromkeys(parts, 1e-6)}"
            )
        return noise
