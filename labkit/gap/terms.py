"""Soap and Distance2b: the terms of a GAP, with the meaning and the names that gap_fit gives them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from labkit.errors import LabkitError, suggest

#: How gap_fit can choose sparse points; labkit's own fit knows the first three.
SPARSE_METHODS = (
    "cur_points", "fps", "random", "cur_covariance", "covariance", "cluster", "kmeans", "uniform", "fuzzy",
    "none", "file", "index_file", "uniq",
)  # fmt: skip
OWN_SPARSE_METHODS = SPARSE_METHODS[:3]


@dataclass(frozen=True)
class Soap:
    """A SOAP descriptor with the kernel k = delta^2 (p . p')^zeta of normalised power spectra.

    cutoff                   Å, neighbours up to here
    cutoff_transition_width  Å, over which a neighbour fades out below the cutoff
    n_max, l_max             radial functions; highest degree of the spherical harmonics
    atom_sigma               Å, width of the Gaussian that stands for an atom
    zeta                     exponent of the kernel
    delta                    eV, typical size of an atom's energy
    n_sparse                 sparse points for each species of the central atom
    sparse_method            how they are chosen: 'cur_points', 'fps' or 'random' (gap_fit knows more)
    central_weight           weight of the central atom in its own density
    centre                   atomic number of the only central species, or None for every species in turn
    other                    further keys of gap_fit, kept as text

    Source: Bartók, Kondor, Csányi, Phys. Rev. B 87, 184115 (2013).

    >>> Soap(cutoff=5.0, n_max=4).zeta
    4.0
    """

    name: ClassVar[str] = "soap"
    cutoff: float = 4.0
    cutoff_transition_width: float = 0.5
    n_max: int = 8
    l_max: int = 6
    atom_sigma: float = 0.3
    zeta: float = 4.0
    delta: float = 1.0
    n_sparse: int = 400
    sparse_method: str = "cur_points"
    central_weight: float = 1.0
    centre: int | None = None
    other: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_common(self)
        number(self, "n_max", above=0, whole=True)
        number(self, "l_max", least=0, whole=True)
        for key in ("atom_sigma", "zeta"):
            number(self, key, above=0)
        number(self, "central_weight", least=0)
        if self.centre is not None:
            number(self, "centre", above=0, whole=True)


@dataclass(frozen=True)
class Distance2b:
    """A pair term with the kernel k = delta^2 f(r) f(r') exp(-(r - r')^2 / (2 theta^2)) of two distances.

    cutoff                   Å
    cutoff_transition_width  Å
    delta                    eV, typical size of a pair's energy
    theta_uniform            Å, length over which the energy of a pair changes
    n_sparse                 sparse points for each pair of species
    sparse_method            'uniform' spreads the points over the distances
    pair                     atomic numbers of the only pair of species, or None for every pair in turn
    other                    further keys of gap_fit, kept as text

    Source: Bartók, Csányi, Int. J. Quantum Chem. 115, 1051 (2015).
    """

    name: ClassVar[str] = "distance_2b"
    cutoff: float = 4.0
    cutoff_transition_width: float = 0.5
    delta: float = 1.0
    theta_uniform: float = 1.0
    n_sparse: int = 20
    sparse_method: str = "uniform"
    pair: tuple[int, int] | None = None
    other: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_common(self)
        number(self, "theta_uniform", above=0)
        if self.pair is not None:
            pair = tuple(self.pair)
            if len(pair) != 2 or not all(isinstance(z, int) and z > 0 for z in pair):
                raise LabkitError(
                    f"distance_2b: pair is {self.pair!r}, expected two atomic numbers, for example (1, 8)"
                )
            object.__setattr__(self, "pair", (min(pair), max(pair)))


def number(
    owner: Any,
    key: str,
    *,
    above: float | None = None,
    least: float | None = None,
    whole: bool = False,
    hint: str = "",
) -> None:
    """Check one setting and store it as int or float."""
    value = getattr(owner, key)
    name = f"{owner.name}: {key}" if hasattr(owner, "name") else key
    bound = f"above {above:g}" if above is not None else f"from {least:g}"
    kind = "a whole number" if whole else "a number"
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    wrong = not math.isfinite(number) or (whole and number != int(number)) or isinstance(value, (bool, str))
    if wrong or (above is not None and number <= above) or (least is not None and number < least):
        raise LabkitError(f"{name} is {value!r}, expected {kind} {bound}{hint}")
    object.__setattr__(owner, key, int(number) if whole else number)


def _check_common(descriptor: Soap | Distance2b) -> None:
    number(descriptor, "cutoff", above=0)
    number(descriptor, "cutoff_transition_width", least=0)
    if descriptor.cutoff_transition_width > descriptor.cutoff:
        raise LabkitError(
            f"{descriptor.name}: cutoff_transition_width is {descriptor.cutoff_transition_width:g} Å, "
            f"expected at most the cutoff of {descriptor.cutoff:g} Å"
        )
    number(descriptor, "delta", above=0)
    number(descriptor, "n_sparse", above=0, whole=True)
    method = str(descriptor.sparse_method).lower()
    method = "fps" if method == "pivot" else method
    if method not in SPARSE_METHODS:
        raise LabkitError(
            f"{descriptor.name}: sparse_method is {descriptor.sparse_method!r}, expected one of "
            f"{', '.join(SPARSE_METHODS)}{suggest(method, SPARSE_METHODS)}"
        )
    object.__setattr__(descriptor, "sparse_method", method)
