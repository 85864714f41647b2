"""Settings of a tensor model: all that determines it except its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ase.data import chemical_symbols

from labkit.base.settings import ModelSettings
from labkit.descriptors.limits import check_expansion, is_number
from labkit.errors import LabkitError, suggest
from labkit.polarizability.target import Target


@dataclass(frozen=True)
class Settings(ModelSettings):
    """All that determines a model except its data.

    species            atomic numbers
    n_max, l_max, cutoff [Å], atom_sigma [Å], cutoff_transition_width [Å], central_weight   of the density expansion
    zeta               exponent of the kernel
    n_features         features kept for each λ; None: all
    feature_selection  'cur' or 'fps'
    n_sparse           environments per species that span the model; None: all of the training frames
    sparse_method      'fps', 'cur_points' or 'random'
    """

    kind: ClassVar[str] = "tensor"
    target: Target
    species: tuple[int, ...]
    n_max: int = 8
    l_max: int = 6
    cutoff: float = 4.0
    atom_sigma: float = 0.3
    cutoff_transition_width: float = 0.5
    central_weight: float = 1.0
    zeta: float = 2.0
    n_features: int | None = 200
    feature_selection: str = "cur"
    n_sparse: int | None = None
    sparse_method: str = "fps"

    def __post_init__(self) -> None:
        check_expansion(
            self.n_max, self.l_max, self.cutoff, self.atom_sigma, self.cutoff_transition_width, len(self.species)
        )
        if not self.species or not all(type(z) is int and 0 < z < len(chemical_symbols) for z in self.species):
            raise LabkitError(f"species is {self.species!r:.80}, expected atomic numbers, such as (1, 8)")
        if not is_number(self.zeta) or not 1 <= self.zeta <= 1000:
            raise LabkitError(f"zeta is {self.zeta!r:.80}, expected 1 (linear) to 1000")
        if not is_number(self.central_weight) or not 0 <= self.central_weight <= 1e6:
            raise LabkitError(f"central_weight is {self.central_weight!r:.80}, expected a number from 0 to 1e6")
        if self.l_max < max(self.degrees):
            raise LabkitError(f"l_max is {self.l_max}, but {self.target.name} needs at least {max(self.degrees)}")
        for key in ("n_features", "n_sparse"):
            value = getattr(self, key)
            if value is not None and (type(value) is not int or value < 1):
                raise LabkitError(f"{key} is {value!r}, expected a whole number from 1, or None for all")

    @property
    def degrees(self) -> tuple[int, ...]:
        """λ of all descriptors: those of the target, and 0 for the kernel's nonlinearity."""
        return tuple(sorted({0, *self.target.parts}))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Settings:
        return cls(**{**plain, "target": Target(**plain["target"]), "species": tuple(plain["species"])})

    @classmethod
    def check_names(cls, given: Mapping[str, Any]) -> None:
        """Raise LabkitError for an unknown setting."""
        known = set(cls.__dataclass_fields__) - {"target", "species"}
        for key in given:
            if key not in known:
                names = ", ".join(sorted(known))
                raise LabkitError(f"unknown setting {key!r}; expected one of {names}{suggest(key, known)}")
