"""Rescaled: an uncertainty of forces that was brought to the size of the errors of held-out frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from labkit.active.calibration.isotonic import Isotonic
from labkit.active.calibration.marks import frame_marks, marks_of, refuse
from labkit.active.calibration.power_law import PowerOfSigma
from labkit.active.calibration.rescaling import FactorOfSpecies, OneFactor, Rescaling
from labkit.active.calibration.samples import Samples
from labkit.active.uncertainty import Spread, Uncertainty
from labkit.base import Evaluation, Potential, State
from labkit.datasets import Dataset
from labkit.errors import LabkitError, suggest

#: every kind of rescaling by its name; a new one is a file and a line here
RESCALINGS: dict[str, type[Rescaling]] = {
    "global": OneFactor,
    "by species": FactorOfSpecies,
    "isotonic": Isotonic,
    "power law": PowerOfSigma,
}
FEWEST_FRAMES = 4


@dataclass(frozen=True, eq=False)
class Rescaled:
    """An uncertainty whose values per atom are errors of forces, σ' = rescaling(σ) in eV/Å.

    Per system: that of the worst atom, eV/Å. `frames` are the marks of the frames that it was fitted to.
    """

    uncertainty: Uncertainty
    rescaling: Rescaling
    frames: tuple[str, ...] = ()

    def __call__(self, state: State, evaluation: Evaluation | None = None) -> Spread:
        """The calibrated spread at a state; what an evaluation lacks for the values of atoms is computed."""
        spread = self.uncertainty(state, evaluation)
        if spread.per_atom is None and evaluation is not None:
            spread = self.uncertainty(state)
        if spread.per_atom is None:
            raise LabkitError("the uncertainty gave no values per atom to rescale; use one of forces or environments")
        atoms = self.rescaling.apply(spread.per_atom, state.system.of_kinds)
        found = Spread(atoms.new_zeros(state.system.n_systems), "eV/Å", atoms, "eV/Å", calibrated=True)
        return Spread(found.max_over_atoms(state.system), "eV/Å", atoms, "eV/Å", calibrated=True)


def rescale(
    uncertainty: Uncertainty,
    potential: Potential,
    frames: Dataset,
    kind: str = "global",
    *,
    queried: Dataset | Iterable[Dataset] = (),
) -> Rescaled:
    """Bring the values per atom to eV/Å, whatever their unit, by the errors of the forces on the atoms of frames.

    kind     "global": one factor. "by species": one for each. "isotonic": any growing function. "power law": a σ^b
    frames   held-out ones, not those that the potential was trained on or that were chosen for their spread
    queried  frames that were trained on or chosen; it is checked that none of them is in `frames`

    An energy per atom [eV] and a distance are scores: only by this do they become errors. Raises LabkitError for
    fewer than 4 frames with forces, errors or sigmas that are all 0, NaN, and a queried frame.
    Source: Levi, Gispan, Giladi, Fetaya, Sensors 22, 5540 (2022); Busk et al., Mach. Learn.: Sci. Technol. 3, 015012
    (2022), for isotonic regression.

    >>> import labkit
    >>> from labkit.active import GpVariance
    >>> from labkit.gap import Design, GapConfig, Soap
    >>> train, valid = labkit.datasets.ice("train", n=50)[:6], labkit.datasets.ice("valid")
    >>> model = Design.build(train, GapConfig(Soap(n_max=3, l_max=2))).solve()
    >>> spread = rescale(GpVariance(model), model, valid[:12], queried=train)(valid.state([12, 13]))
    >>> spread.unit_per_atom, spread.calibrated
    ('eV/Å', True)
    """
    if kind not in RESCALINGS:
        raise LabkitError(f"kind is {kind!r}; expected {', '.join(RESCALINGS)}{suggest(kind, RESCALINGS)}")
    marks = frame_marks(frames)
    refuse(marks, marks_of(queried), "calibration", "queried or trained on")
    samples = Samples.of(uncertainty, potential, frames, "atom")
    if (n := len(set(samples.frame.tolist()))) < FEWEST_FRAMES:
        raise LabkitError(f"too few frames: {n} with forces; calibration needs at least {FEWEST_FRAMES}")
    return Rescaled(uncertainty, RESCALINGS[kind].fit(samples.errors, samples.sigmas, samples.species), marks)
