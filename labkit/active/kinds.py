"""Which kinds of uncertainty a potential offers, and how to make one by its name."""

from __future__ import annotations

from labkit.active.uncertainties import OF_POTENTIAL, UNCERTAINTIES, GpVariance
from labkit.active.uncertainty import Uncertainty
from labkit.base import Potential
from labkit.datasets import Dataset
from labkit.errors import LabkitError, suggest

FEW = 2  # frames are enough to see whether a kind that needs known frames can be made


def of_kind(potential: Potential, kind: str, known: Dataset) -> Uncertainty:
    """An uncertainty by its name in `UNCERTAINTIES`, with errors of forces per atom wherever the kind has them.

    known  frames that the potential was trained on

    Raises LabkitError for an unknown name, and for a kind that this potential does not offer.

    >>> import labkit
    >>> from labkit.neural import NeuralConfig, untrained
    >>> frames = labkit.datasets.ice("train", n=50)[:4]
    >>> type(of_kind(untrained(frames, NeuralConfig(channels=8)), "last layer", frames)).__name__
    'LastLayer'
    """
    if kind not in UNCERTAINTIES:
        raise LabkitError(
            f"no uncertainty {kind!r}; expected one of {', '.join(UNCERTAINTIES)}{suggest(kind, UNCERTAINTIES)}"
        )
    made = UNCERTAINTIES[kind]
    if made is GpVariance:
        return GpVariance(potential, per_atom="forces")
    return made(potential) if made in OF_POTENTIAL else made(potential, known)


def kinds_of(potential: Potential, known: Dataset) -> list[str]:
    """The names of the kinds that a potential offers, in the order of `UNCERTAINTIES`.

    >>> import labkit
    >>> from labkit.gap import Design, GapConfig, Soap
    >>> frames = labkit.datasets.ice("train", n=50)[:4]
    >>> kinds_of(Design.build(frames, GapConfig(Soap(n_max=3, l_max=2, n_sparse=20))).solve(), frames)
    ['GP variance', 'nearest environments', 'Mahalanobis distance']
    """
    found = []
    for kind in UNCERTAINTIES:
        try:
            of_kind(potential, kind, known[:FEW])
        except LabkitError:
            continue
        found.append(kind)
    return found
