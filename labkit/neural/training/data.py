"""Sets: the frames of a training, checked and prepared."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np

from labkit.base import Potential
from labkit.datasets import Dataset, DatasetWarning
from labkit.datasets.e0 import atoms_alone, e0_notes, odd_energies
from labkit.datasets.placeholders import without_placeholders
from labkit.errors import LabkitError
from labkit.neural.potential import NeuralPotential
from labkit.neural.priors import WithPrior, without_prior
from labkit.neural.priors.with_prior import described
from labkit.neural.training.frames import TrainingFrames


@dataclass(frozen=True, eq=False)
class Sets:
    """The data of a training: labels minus the prior, and neighbours.

    frames  the new frames, then the old ones that are replayed
    new     how many are new
    hashes  of the new, validation and old labelled frames; and the prior's description
    """

    potential: NeuralPotential
    prior: Potential | None
    frames: TrainingFrames
    new: int
    validation: TrainingFrames | None
    hashes: tuple[object, ...]

    @classmethod
    def of(
        cls,
        potential: NeuralPotential | WithPrior,
        data: Dataset,
        validation: Dataset | None,
        replay: Dataset | None,
        prior: Potential | None,
    ) -> Sets:
        """Check all frames and find their neighbours.

        Gives DatasetWarnings for single odd labels. Raises LabkitError, naming frame and atom, for a species that the
        potential does not know, for energies that do not fit its e0, and for a prior other than its own.
        """
        learned, prior = _parts(potential, prior)
        if not len(data):
            raise LabkitError(f"{data.name or 'training data'}: has no frames; give at least one")
        new, fitted = _ready(data, "training data", learned, prior)
        valid, old = (
            (None, None) if x is None or not len(x) else _ready(x, name, learned, prior)
            for x, name in ((validation, "validation data"), (replay, "old frames"))
        )
        joined = fitted if old[1] is None else fitted + old[1]
        return cls(
            learned,
            prior,
            TrainingFrames(joined, learned),
            len(data),
            None if valid[1] is None else TrainingFrames(valid[1], learned),
            (*(None if x is None else x.hash for x in (new, valid[0], old[0])), prior and described(prior)),
        )

    def locate(self, row: int) -> str:
        """The name of a frame in messages."""
        name, row = self.frames.data.name or "training data", int(self.frames.numbers[row])
        return f"{name}, frame {row}" if row < self.new else f"{name}, old frame {row - self.new}"

    def of_member(self, potential: NeuralPotential, drawn: np.ndarray | None = None) -> Sets:
        """The same data for another potential with the same species, e0, scale and cutoff; `drawn` (S,): these frames
        for training, some of them repeatedly.
        """
        frames = self.frames if drawn is None else self.frames.take(drawn)
        valid = None if self.validation is None else self.validation.of(potential)
        hashes = self.hashes if drawn is None else (*self.hashes, drawn.tolist())
        return replace(self, potential=potential, frames=frames.of(potential), validation=valid, hashes=hashes)

    def whole(self, learned: NeuralPotential) -> NeuralPotential | WithPrior:
        """The potential with its prior, if there is one."""
        return learned if self.prior is None else WithPrior(self.prior, learned)


def _parts(potential: NeuralPotential | WithPrior, prior: Potential | None) -> tuple[NeuralPotential, Potential | None]:
    if isinstance(potential, WithPrior):
        potential, prior = potential.learned, prior or potential.prior
    own = potential.metadata.get("prior")
    if own is not None and (prior is None or described(prior) != own):
        given = "no prior" if prior is None else f"another one, a {type(prior).__name__},"
        raise LabkitError(
            f"the potential was trained beside a prior ({own.get('name', own['kind'])}), and {given} was given; train "
            "what that training returned, or give the same prior"
        )
    if own is None and prior is not None and potential.metadata.get("steps"):
        raise LabkitError(
            "the potential was trained without a prior, which would now be added to it; begin with "
            "untrained(frames, prior=...)"
        )
    return potential, prior


def _ready(data: Dataset, name: str, potential: NeuralPotential, prior: Potential | None) -> tuple[Dataset, Dataset]:
    """The frames without placeholders, and the same frames minus the prior."""
    name = data.name or name
    try:
        potential.species_of(data.state().system)
    except LabkitError as error:
        raise LabkitError(
            f"{name}, {error}. The species of a potential are fixed: begin with untrained(...) of frames that have all "
            "of them"
        ) from None
    clean, notes = without_placeholders(data)
    less = without_prior(clean, prior)
    e0 = dict(zip(potential.vocabulary, potential.e0.tolist(), strict=True))
    for contradiction in e0_notes(less, e0):
        raise LabkitError(f"{name}: {contradiction}")
    for note in [*notes, *odd_energies(less, e0), *atoms_alone(less, e0)]:
        warnings.warn(f"{name}: {note}", DatasetWarning, stacklevel=5)
    return clean, less
