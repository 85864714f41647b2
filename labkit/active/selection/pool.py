"""Pool: candidate frames, and all that a rule of selection may know about them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from labkit.active.selection.scoring import fields_of_frames
from labkit.errors import LabkitError

if TYPE_CHECKING:
    from ase import Atoms

    from labkit.active.uncertainty import Uncertainty
    from labkit.base import Potential
    from labkit.datasets import Dataset

#: fields that hold one array a frame; the others are arrays whose last or first dimension is the frame
RAGGED = ("spread_per_atom", "member_forces", "atom_features", "species")
#: what to give Pool.of for each field
SOURCES = {
    "spread": "an uncertainty",
    "spread_per_atom": "an uncertainty that has values per atom",
    "members": "a committee of at least two models, or a network with several outputs",
    "member_forces": "a committee of at least two models, or a network with several outputs",
    "features": "a potential with descriptors: a GAP with a SOAP term, or a neural potential",
    "atom_features": "a potential with descriptors: a GAP with a SOAP term, or a neural potential",
    "species": "a potential with descriptors: a GAP with a SOAP term, or a neural potential",
}


@dataclass(frozen=True, eq=False)
class Pool:
    """P candidate frames, as arrays in double precision; None for what is not known.

    n_atoms          (P,)            atoms of each frame
    spread           (P,)            uncertainty that is ranked, larger is less certain
    unit                             of the spread: "eV", "eV/Å", or "" for a distance
    spread_per_atom  P × (n_p,)      the same for each atom
    members          (M, P)          energies per atom that the members of a committee predict, eV/atom
    member_forces    P × (M, n_p, 3) forces that they predict, eV/Å
    features         (P, d)          a vector for each frame, the mean over its atoms
    atom_features    P × (n_p, d)    a vector for each atom
    species          P × (n_p,)      atomic number, or type, of each atom
    known            (K, d)          vectors of the frames that have labels already
    names                            names of the frames, for messages
    known_atoms, known_species       vectors (n, d) and species (n,) of all atoms of the labelled frames

    Raises LabkitError, naming the field, if shapes do not fit together.

    >>> pool = Pool(n_atoms=[9, 9], spread=[0.1, 0.3], unit="eV/Å")
    >>> len(pool), pool.has("spread"), pool.has("features")
    (2, True, False)
    """

    n_atoms: np.ndarray
    spread: np.ndarray | None = None
    unit: str = ""
    spread_per_atom: Sequence[np.ndarray] | None = None
    members: np.ndarray | None = None
    member_forces: Sequence[np.ndarray] | None = None
    features: np.ndarray | None = None
    atom_features: Sequence[np.ndarray] | None = None
    species: Sequence[np.ndarray] | None = None
    known: np.ndarray | None = None
    names: Sequence[str] | None = None
    known_atoms: np.ndarray | None = None
    known_species: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("n_atoms", "spread", "members", "features", "known", "known_atoms"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, np.asarray(value, dtype=int if name == "n_atoms" else np.float64))
        count, given = len(self), {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in given.items():
            if value is None or name in ("n_atoms", "unit") or name.startswith("known"):
                continue
            found = value.shape[-1] if name == "members" else len(value)
            if found != count:
                raise LabkitError(f"Pool: {name} is of {found} frames, expected the {count} of n_atoms")
            if name in RAGGED:
                self._check_atoms(name, value)
        for name, like in (("known", "features"), ("known_atoms", "atom_features")):
            self._check_known(name, like)

    def _check_atoms(self, name: str, values: Sequence[np.ndarray]) -> None:
        axis = 1 if name == "member_forces" else 0
        for k, (value, atoms) in enumerate(zip(values, self.n_atoms)):
            if np.shape(value)[axis] != atoms:
                raise LabkitError(f"Pool: {name} of {self.name(k)} is of {np.shape(value)[axis]} atoms, not of {atoms}")

    def _check_known(self, name: str, like: str) -> None:
        known, own = getattr(self, name), getattr(self, like)
        if known is None or own is None or not len(own):
            return
        width = np.shape(own)[-1] if like == "features" else np.shape(own[0])[-1]
        if known.ndim != 2 or known.shape[1] != width:
            raise LabkitError(f"Pool: {name} has the shape {known.shape}, expected (frames, {width}) as in {like}")
        if len(bad := np.flatnonzero(~np.isfinite(known).all(1))):
            raise LabkitError(f"Pool: row {bad[0]} of {name} is not finite; leave this frame out")

    @classmethod
    def of(
        cls,
        frames: Dataset | Sequence[Atoms],
        potential: Potential,
        uncertainty: Uncertainty | None = None,
        known: Dataset | Sequence[Atoms] | None = None,
        **options: object,
    ) -> Pool:
        """A pool from frames, a potential and its uncertainty; options are those of `scoring.fields_of_frames`."""
        return cls(**fields_of_frames(frames, potential, uncertainty, known, **options))

    def __len__(self) -> int:
        return len(self.n_atoms)

    def has(self, field: str) -> bool:
        """Whether a field is known."""
        return getattr(self, field) is not None

    def name(self, k: int) -> str:
        """The name of a frame for messages."""
        return f"frame {k}" if self.names is None else str(self.names[k])

    def listed(self, rows: Sequence[int] | np.ndarray, most: int = 5) -> str:
        """The names of some frames for messages, of many the first ones."""
        rest = f" and {len(rows) - most} more" if len(rows) > most else ""
        return ", ".join(self.name(int(k)) for k in rows[:most]) + rest

    def require(self, needs: Collection[str], who: str) -> None:
        """Raise LabkitError, naming the first field that a rule needs and this pool does not have."""
        for field in sorted(needs):
            if not self.has(field):
                raise LabkitError(f"{who} needs {field}, which this pool does not have; give Pool.of {SOURCES[field]}")

    def finite(self, needs: Collection[str]) -> dict[int, str]:
        """Frames with values that are not finite in these fields: {frame: name of the field}."""
        bad: dict[int, str] = {}
        for field in sorted(needs):
            value = getattr(self, field)
            if field in RAGGED:
                fine = np.array([bool(np.isfinite(x).all()) for x in value], dtype=bool)
            elif field == "members":
                fine = np.isfinite(value).all(0)
            else:
                fine = np.isfinite(value) if value.ndim == 1 else np.isfinite(value).all(1)
            bad |= {int(k): field for k in np.flatnonzero(~fine)}
        return bad

    def take(self, rows: np.ndarray) -> Pool:
        """The pool of some of its frames."""
        rows = np.asarray(rows, dtype=np.int64)
        changed: dict[str, object] = {}
        for name in ("n_atoms", "spread", "features"):
            changed[name] = None if (x := getattr(self, name)) is None else x[rows]
        changed["members"] = None if self.members is None else self.members[:, rows]
        for name in RAGGED:
            changed[name] = None if (x := getattr(self, name)) is None else [x[k] for k in rows]
        return replace(self, **changed, names=[self.name(int(k)) for k in rows])

    def with_known(self, rows: np.ndarray) -> Pool:
        """The same pool, in which some of its frames count as labelled."""
        rows = np.asarray(rows, dtype=np.int64)
        if not len(rows):
            return self
        changed: dict[str, np.ndarray] = {}
        if self.features is not None:
            new = self.features[rows]
            changed["known"] = new if self.known is None else np.concatenate([self.known, new])
        if self.atom_features is not None and self.species is not None:
            atoms = [np.asarray(self.atom_features[k], np.float64) for k in rows]
            kinds = [np.asarray(self.species[k]) for k in rows]
            older = self.known_atoms is not None and self.known_species is not None
            changed["known_atoms"] = np.concatenate([self.known_atoms, *atoms] if older else atoms)
            changed["known_species"] = np.concatenate([self.known_species, *kinds] if older else kinds)
        return replace(self, **changed)
