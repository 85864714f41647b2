"""GapConfig: the settings of a Gaussian approximation potential, for labkit's own fit and for gap_fit."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar

from ase.data import atomic_numbers

from labkit.base.settings import ModelSettings
from labkit.errors import LabkitError, suggest
from labkit.files import atomic_write
from labkit.gap import configfile, configtext
from labkit.gap.keys import FIT_KEYS
from labkit.gap.lexer import as_real, fields_of, is_true
from labkit.gap.terms import Distance2b, SettingError, Soap, checked_other, number

__all__ = ["Distance2b", "GapConfig", "Soap"]

TERMS = {term.name: term for term in (Soap, Distance2b)}
SIGMAS = ("sigma_energy", "sigma_force", "sigma_virial")


@dataclass(frozen=True)
class GapConfig(ModelSettings):
    """Settings of a GAP fit, with the same meaning as in gap_fit, whose settings file can be read and written.

    descriptors    Soap and Distance2b terms, whose energies are added
    sigma_energy   eV/sqrt(atom): the noise of an energy of N atoms is sigma_energy sqrt(N)
    sigma_force    eV/Å, or None to leave forces out
    sigma_virial   eV/sqrt(atom), or None to leave stresses out
    sigma_hessian  eV/Å^2, for gap_fit only
    e0             eV of an isolated atom, by symbol or one for all; None to determine them by `e0_method`
    e0_method      'average' (from the energies) or 'isolated' (from frames of one atom)
    sparse_jitter  added to the sparse points' covariance
    energy_key, forces_key, virial_key, stress_key   names of the labels in gap_fit's training file
    seed           of random choices; gap_fit takes -1 as "from the clock"
    atoms_filename, gp_file                          training file and model of gap_fit
    other          further keys of gap_fit, kept as text and written back

    Raises LabkitError for an invalid value. Source: gap_fit of libAtoms/QUIP.

    >>> config = GapConfig(Soap(cutoff=5.0), sigma_force=0.05)
    >>> config.replace(sigma_energy=0.001).cutoff
    5.0
    """

    descriptors: tuple[Soap | Distance2b, ...] = (Soap(),)
    sigma_energy: float = 0.0005
    sigma_force: float | None = 0.02
    sigma_virial: float | None = 0.02
    sigma_hessian: float = 0.0
    e0: Mapping[str, float] | float | None = None
    e0_method: str = "average"
    sparse_jitter: float = 1e-10
    energy_key: str = "energy"
    forces_key: str = "forces"
    virial_key: str = "virial"
    stress_key: str = "stress"
    seed: int = 1
    atoms_filename: str = "train.xyz"
    gp_file: str = "gap.xml"
    other: Mapping[str, str] = field(default_factory=dict)

    kind: ClassVar[str] = "gap"
    file_name: ClassVar[str] = "gap_config.cfg"
    gap_fit_names: ClassVar[tuple[str, ...]] = (
        *("gap", "default_sigma", "rnd_seed", "energy_parameter_name", "force_parameter_name"),
        *("virial_parameter_name", "stress_parameter_name", "parameter_name_prefix"),
    )

    def __post_init__(self) -> None:
        descriptors = self.descriptors
        if isinstance(descriptors, (Soap, Distance2b)):
            descriptors = (descriptors,)
        object.__setattr__(self, "descriptors", tuple(descriptors))
        if not self.descriptors or not all(isinstance(d, (Soap, Distance2b)) for d in self.descriptors):
            raise LabkitError(
                f"descriptors is {self.descriptors!r}, expected at least one Soap(...) or Distance2b(...)"
            )
        number(self, "sigma_energy", above=0)
        for key, what in (("sigma_force", "forces"), ("sigma_virial", "stresses")):
            if getattr(self, key) is not None:
                number(self, key, above=0, hint=f"; None leaves {what} out of the fit")
        number(self, "sigma_hessian", least=0)
        number(self, "sparse_jitter", least=0)
        number(self, "seed", least=-1, whole=True)
        if self.seed == 0:
            raise SettingError("seed is 0, with which gap_fit's random numbers fail; use 1 or more", "seed")
        if self.e0_method not in ("isolated", "average"):
            hint = suggest(str(self.e0_method), ["isolated", "average"])
            message = f"e0_method is {self.e0_method!r}, expected 'isolated' or 'average'{hint}"
            raise SettingError(message, "e0_method")
        if self.e0 is not None:
            if isinstance(self.e0, Mapping):
                e0 = {_symbol(s): _e0(s, value) for s, value in self.e0.items()}
            else:
                e0 = _e0("all atoms", self.e0)
            object.__setattr__(self, "e0", e0)
            object.__setattr__(self, "e0_method", "isolated")  # nothing is left to determine; gap_fit's default
        object.__setattr__(self, "other", checked_other(self.other, self, FIT_KEYS))
        self.config_type_sigmas  # noqa: B018 (checked here)
        for key in ("energy_key", "forces_key", "virial_key", "stress_key", "atoms_filename", "gp_file"):
            _word(self, key)

    @property
    def cutoff(self) -> float:
        """The longest cutoff of the descriptors, Å."""
        return max(d.cutoff for d in self.descriptors)

    def parameter(self, key: str) -> str:
        """The value of a key of gap_fit that is kept in `other`, or its default."""
        return self.other.get(key, FIT_KEYS[key])

    def flag(self, key: str) -> bool:
        """The same as true or false."""
        return is_true(self.parameter(key))

    @property
    def config_type_sigmas(self) -> dict[str, tuple[float, ...]]:
        """Sigmas of energies, forces, virials and hessians by kind of frame, from config_type_sigma."""
        words = fields_of(self.parameter("config_type_sigma"))
        if len(words) % 5:
            raise SettingError(
                f"config_type_sigma has {len(words)} fields, expected 5 for each kind, as in {{ice:0.001:0.1:0.1:0}}",
                "config_type_sigma",
            )
        return {words[k]: tuple(_sigma(words[k], x) for x in words[k + 1 : k + 5]) for k in range(0, len(words), 5)}

    @property
    def ignored(self) -> list[str]:
        """Settings that gap_fit uses and labkit's own fit does not, as 'key=value'."""
        return configtext.ignored(self)

    def replace(self, **changes: Any) -> GapConfig:
        """A copy with some settings changed, checked again."""
        known = [f.name for f in fields(self)]
        unknown = [key for key in changes if key not in known]
        if unknown:
            raise LabkitError(f"GapConfig has no setting {unknown[0]!r}{suggest(unknown[0], known)}")
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        return asdict(self) | {"descriptors": [{"name": d.name, **asdict(d)} for d in self.descriptors]}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> GapConfig:
        """The inverse of `to_dict`; every value is checked again."""
        known = {f.name for f in fields(cls)}
        terms = [TERMS[d["name"]](**{k: v for k, v in d.items() if k != "name"}) for d in plain["descriptors"]]
        return cls(**{k: v for k, v in plain.items() if k in known} | {"descriptors": tuple(terms)})

    def row(self) -> dict[str, Any]:
        """The columns of a table: SOAP settings by name, those of other terms prefixed with the term's name."""
        row: dict[str, Any] = {}
        for term in self.descriptors:
            for name in ("cutoff", "n_max", "l_max", "atom_sigma", "zeta", "n_sparse", "delta"):
                if hasattr(term, name):
                    row[name if term.name == "soap" else f"{term.name} {name}"] = getattr(term, name)
        return row | {name: getattr(self, name) for name in SIGMAS}

    def summary(self) -> str:
        """A short text for one cell of a table: SOAP, and the sigmas of energies and forces."""
        soaps = " + ".join(f"n{d.n_max} l{d.l_max} {d.cutoff:g} Å" for d in self.descriptors if d.name == "soap")
        sigmas = " ".join(f"{x:.0e}" for x in (self.sigma_energy, self.sigma_force) if x is not None)
        return f"{soaps}, σ {sigmas}" if soaps else f"σ {sigmas}"

    @classmethod
    def parse(cls, text: str, source: str = "gap_fit settings") -> GapConfig:
        """Read gap_fit's settings from text; `source` is named in errors."""
        return configfile.parse(cls, text, source)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> GapConfig:
        """Read gap_fit's settings file (the one given as config_file=...)."""
        return configfile.read(cls, path)

    def text(self) -> str:
        """These settings as gap_fit's file; `GapConfig.parse(config.text()) == config`."""
        return configtext.write(self)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write gap_fit's settings file, completely or not at all."""
        atomic_write(path, self.text())


def _symbol(symbol: str) -> str:
    if atomic_numbers.get(symbol, 0) < 1:
        hint = suggest(str(symbol), atomic_numbers)
        raise SettingError(f"e0 names {symbol!r}, expected a chemical symbol{hint}", "e0")
    return symbol


def _e0(symbol: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise SettingError(f"e0 of {symbol} is {value!r}, expected a number in eV", "e0")
    return number


def _sigma(kind: str, text: str) -> float:
    value = as_real(text)
    if not (value is not None and 0 <= value < math.inf):
        raise SettingError(
            f"config_type_sigma of {kind} is {text!r}, expected a number of 0 or more", "config_type_sigma"
        )
    return value


def _word(config: GapConfig, key: str) -> None:
    value = getattr(config, key)
    if not isinstance(value, str) or not value or any(c in value for c in "{}'\"=,:\n\r\t #"):
        raise SettingError(f"{key} is {value!r}, expected a name without spaces, quotes, braces, '=' or '#'", key)
