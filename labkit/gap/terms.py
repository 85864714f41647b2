"""Soap and Distance2b: the terms of a GAP, with the names and meanings of gap_fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from labkit.descriptors.limits import CUTOFF, L_MAX, N_MAX
from labkit.errors import LabkitError, suggest
from labkit.gap.keys import DISTANCE_2B_KEYS, SOAP_KEYS
from labkit.gap.lexer import fields_of

#: How gap_fit can choose sparse points; labkit's own fit supports the first four.
SPARSE_METHODS = (
    "cur_points", "fps", "random", "cur_covariance", "covariance", "cluster", "kmeans", "uniform", "fuzzy",
    "none", "file", "index_file", "uniq",
)  # fmt: skip
OWN_SPARSE_METHODS = SPARSE_METHODS[:4]
MOST = 1e100  # of any setting, so that its square is finite


class SettingError(LabkitError):
    """An invalid setting; `key` is its name."""

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True)
class Soap:
    """A SOAP descriptor with the kernel k = delta^2 (p . p')^zeta of normalised power spectra.

    cutoff                   Å, the largest distance of a neighbour
    cutoff_transition_width  Å, below the cutoff, over which a neighbour's weight goes to zero
    n_max, l_max             radial functions; highest degree of the spherical harmonics
    atom_sigma               Å, width of the Gaussian that stands for an atom
    zeta                     exponent of the kernel
    delta                    eV, typical size of an atom's energy
    n_sparse                 sparse points for each species of the central atom; with config_type_n_sparse in `other`
                             their total
    sparse_method            how they are chosen: 'cur_points', 'fps', 'random' or 'cur_covariance' (gap_fit has
                             more)
    central_weight           weight of the central atom in its own density
    centre                   atomic number of the only central species, or None for all species
    species                  atomic numbers of its neighbours; None if centre is None
    other                    further keys of gap_fit, kept as text

    Source: Bartók, Kondor, Csányi, Phys. Rev. B 87, 184115 (2013).

    >>> Soap(cutoff=5.0, n_max=4).zeta
    4.0
    """

    name: ClassVar[str] = "soap"
    gap_fit_names: ClassVar[tuple[str, ...]] = (
        "Z",
        "species_Z",
        "n_species",
        "add_species",
        "covariance_type",
    )
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
    species: tuple[int, ...] | None = None
    other: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_common(self)
        number(self, "n_max", above=0, most=N_MAX, whole=True)
        number(self, "l_max", least=0, most=L_MAX, whole=True)
        for key in ("atom_sigma", "zeta"):
            number(self, key, above=0)
        number(self, "central_weight", least=0)
        if (self.centre is None) != (self.species is None):
            raise SettingError("soap: centre and species must be given together or not at all", "Z")
        if self.centre is not None:
            number(self, "centre", above=0, whole=True)
            object.__setattr__(self, "species", _elements("soap", "species", self.species))


@dataclass(frozen=True)
class Distance2b:
    """A pair term with the kernel k = delta^2 f(r) f(r') exp(-(r - r')^2 / (2 theta^2)) of two distances.

    cutoff                   Å
    cutoff_transition_width  Å
    delta                    eV, typical size of half a pair's energy, of the share of each of its atoms, as in gap_fit
    theta_uniform            Å, length over which the energy of a pair changes; None for their range
    n_sparse                 sparse points for each pair of species
    sparse_method            'uniform' spreads the points over the distances
    pair                     atomic numbers of the only pair of species, or None for all pairs
    other                    further keys of gap_fit, kept as text

    Source: Bartók, Csányi, Int. J. Quantum Chem. 115, 1051 (2015).
    """

    name: ClassVar[str] = "distance_2b"
    gap_fit_names: ClassVar[tuple[str, ...]] = ("Z1", "Z2", "add_species", "covariance_type", "zeta")
    cutoff: float = 4.0
    cutoff_transition_width: float = 0.5
    delta: float = 1.0
    theta_uniform: float | None = 1.0
    n_sparse: int = 20
    sparse_method: str = "uniform"
    pair: tuple[int, int] | None = None
    other: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_common(self)
        if self.theta_uniform is not None:
            number(self, "theta_uniform", above=1e-4)
        if self.pair is not None:
            pair = _elements("distance_2b", "pair", self.pair, 2)
            object.__setattr__(self, "pair", (min(pair), max(pair)))


def number(
    owner: Any,
    key: str,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float = MOST,
    whole: bool = False,
    hint: str = "",
) -> None:
    """Check one setting and store it as int or float."""
    value = getattr(owner, key)
    name = f"{owner.name}: {key}" if hasattr(owner, "name") else key
    bound = f"above {above:g}" if above is not None else f"from {least:g}"
    bound += "" if most == MOST else f", at most {most:g}"
    kind = "a whole number" if whole else "a number"
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    wrong = not abs(number) <= most or (whole and number != int(number)) or isinstance(value, (bool, str))
    if wrong or (above is not None and number <= above) or (least is not None and number < least):
        raise SettingError(f"{name} is {value!r:.80}, expected {kind} {bound}{hint}", key)
    object.__setattr__(owner, key, int(number) if whole else number)


def _check_common(descriptor: Soap | Distance2b) -> None:
    number(descriptor, "cutoff", above=0, most=CUTOFF)
    number(descriptor, "cutoff_transition_width", least=0)
    if descriptor.cutoff_transition_width > descriptor.cutoff:
        raise SettingError(
            f"{descriptor.name}: cutoff_transition_width is {descriptor.cutoff_transition_width:g} Å, "
            f"expected at most the cutoff of {descriptor.cutoff:g} Å",
            "cutoff_transition_width",
        )
    number(descriptor, "delta", above=0)
    known = SOAP_KEYS if descriptor.name == "soap" else DISTANCE_2B_KEYS
    object.__setattr__(descriptor, "other", checked_other(descriptor.other, descriptor, known))
    if kinds := n_sparse_of_kinds(descriptor):
        object.__setattr__(descriptor, "n_sparse", sum(kinds.values()))
    number(descriptor, "n_sparse", above=0, most=1e7, whole=True)
    method = str(descriptor.sparse_method).lower()
    method = "fps" if method == "pivot" else method
    if method not in SPARSE_METHODS:
        raise SettingError(
            f"{descriptor.name}: sparse_method is {descriptor.sparse_method!r}, expected one of "
            f"{', '.join(SPARSE_METHODS)}{suggest(method, SPARSE_METHODS)}",
            "sparse_method",
        )
    object.__setattr__(descriptor, "sparse_method", method)


def n_sparse_of_kinds(descriptor: Soap | Distance2b) -> dict[str, int]:
    """Sparse points for each kind of frame, from config_type_n_sparse={ice:50:water:100}; empty if it is not given."""
    words = fields_of(descriptor.other.get("config_type_n_sparse", ""))
    if len(words) % 2 or not all(word.isdecimal() for word in words[1::2]):
        raise SettingError(
            f"{descriptor.name}: config_type_n_sparse is {descriptor.other['config_type_n_sparse']!r}, expected kinds "
            "of frames and whole numbers, as in {ice:50:water:100}",
            "config_type_n_sparse",
        )
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


def checked_other(other: Mapping[str, Any], owner: Any, known: Mapping[str, str]) -> dict[str, str]:
    """Check keys kept for gap_fit: keys of gap_fit that are not settings here, with values that can be written."""
    where = f"{owner.name}: " if hasattr(owner, "name") else ""
    own = set(owner.__dataclass_fields__) | set(owner.gap_fit_names)
    for key, value in other.items():
        if key in own:
            raise SettingError(f"{where}other holds {key!r}, which is a setting here; set that instead", key)
        if key not in known:
            raise SettingError(f"{where}unknown key {key!r}{suggest(key, known)}", key)
        if not balanced(str(value)):
            raise SettingError(f"{where}{key} is {value!r}, expected text with matching braces and no quotes", key)
    return {key: str(value) for key, value in other.items()}


def balanced(text: str) -> bool:
    """Whether gap_fit can read `text` between braces."""
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if depth < 0 or character in "\"'#\n\r":
            return False
    return depth == 0 and text == text.strip()


def _elements(name: str, key: str, values: Any, count: int = 0) -> tuple[int, ...]:
    found = tuple(values) if isinstance(values, (tuple, list)) else ()
    if not found or (count and len(found) != count) or not all(isinstance(z, int) and 0 < z < 119 for z in found):
        raise SettingError(f"{name}: {key} is {values!r}, expected atomic numbers, for example (1, 8)", key)
    return found
