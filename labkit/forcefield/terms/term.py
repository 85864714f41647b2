"""Term: one kind of interaction with its list of atoms and its parameters, for one system or a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from labkit.base import Neighbours, Potential, System
from labkit.base.nearest_image import nearest
from labkit.config import config
from labkit.errors import LabkitError
from labkit.forcefield.terms.degenerate import refuse


class Term(Potential):
    """A potential of fixed atoms. A subclass names its fields and defines `energies`, one for each row of `atoms`.

    INDICES   fields that hold atoms: integers, moved along when systems are put one after another
    VALUES    fields of parameters: nn.Parameter, without gradient until it is requested
    SETTINGS  plain attributes, the same for all systems of a batch
    BY_TYPES  how many types an entry of a TypedTerm may have; none if it cannot be given by types

    >>> from labkit.forcefield import HarmonicBonds
    >>> bonds = HarmonicBonds([[0, 1]], k=20.0, r0=1.0)
    >>> bonds.repeated(3, n_atoms=2).atoms.tolist()
    [[0, 1], [2, 3], [4, 5]]
    """

    INDICES: ClassVar[tuple[str, ...]] = ("atoms",)
    VALUES: ClassVar[tuple[str, ...]] = ()
    SETTINGS: ClassVar[tuple[str, ...]] = ("periodic",)
    BY_TYPES: ClassVar[tuple[int, ...]] = (1, 2, 3, 4)

    cutoff = 0.0  # no neighbours needed
    atoms: Tensor

    def _set(self, **fields: Any) -> None:
        """Keep the fields: indices as buffers, values as parameters of one length, settings as attributes."""
        name = type(self).__name__
        for key in self.INDICES:
            index = torch.as_tensor(fields[key], dtype=torch.int64)
            self.register_buffer(key, index.reshape(-1, index.shape[-1]) if index.numel() else index.reshape(0, 2))
        for key in self.SETTINGS:
            setattr(self, key, fields[key])
        for key in self.VALUES:
            value = fields[key]
            value = value.detach() if isinstance(value, Tensor) else torch.as_tensor(value, dtype=config().dtype)
            if not bool(torch.isfinite(value).all()):
                raise LabkitError(f"{name}: {key} has a value that is not finite; set every parameter")
            setattr(self, key, nn.Parameter(value.clone(), requires_grad=False))

    def _rows(self, width: int) -> None:
        """Check a list of atoms with one value per row; a single value stands for all rows."""
        name, count = type(self).__name__, len(self.atoms)
        if not count:
            self.atoms = self.atoms.reshape(0, width)
        if self.atoms.shape[1] != width:
            raise LabkitError(f"{name}: each row of atoms has {self.atoms.shape[1]} atoms, expected {width}")
        for key in self.VALUES:
            value = getattr(self, key)
            if value.dim() == 0:
                setattr(self, key, nn.Parameter(value.expand(count).clone(), requires_grad=False))
            elif len(value) != count:
                raise LabkitError(f"{name}: {len(value)} values of {key} for {count} rows of atoms; give one for each")

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        """Energies (m,) in eV of the rows of `atoms`."""
        raise NotImplementedError

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        energies = self.energies(system, positions, cell)
        if energies.device.type == "cpu":  # do not wait for a GPU: a run checks its energies from time to time
            refuse(self.kind.__name__, self.atoms, energies, system, positions, cell)
        return energies.new_zeros(system.n_systems).index_add(0, system.index[self.atoms[:, 0]], energies)

    @property
    def kind(self) -> type:
        """The original class; torch makes another one if a parameter is shared (`share`)."""
        return parametrize.type_before_parametrizations(self)

    def settings(self) -> dict[str, Any]:
        """The attributes that all systems of a batch share, as the constructor takes them."""
        return {key: getattr(self, key) for key in self.SETTINGS}

    @classmethod
    def batch(cls, terms: Sequence[Self], starts: Sequence[int]) -> Self:
        """One term for several systems, whose atoms begin at `starts`."""
        fields = terms[0].settings()
        for term in terms[1:]:
            for key, value in term.settings().items():
                if value != fields[key]:
                    name = cls.__name__
                    raise LabkitError(f"{name}: {key} is {fields[key]} in one system of a batch and {value} in another")
        for key in cls.INDICES:
            fields[key] = torch.cat([getattr(t, key) + start for t, start in zip(terms, starts, strict=True)])
        for key in cls.VALUES:
            fields[key] = torch.cat([getattr(term, key) for term in terms])
        return cls(**fields)

    def repeated(self, times: int, n_atoms: int) -> Self:
        """This term for `times` copies of its system of `n_atoms` atoms."""
        return self.kind.batch([self] * times, range(0, times * n_atoms, n_atoms))


def separation(system: System, positions: Tensor, cell: Tensor, i: Tensor, j: Tensor, periodic: bool = False) -> Tensor:
    """Vectors r_j - r_i (m, 3) in Å; `periodic`: to the nearest image of j."""
    # index_select, not [...]: its gradient is an index_add, several times faster
    vectors = positions.index_select(0, j) - positions.index_select(0, i)
    return nearest(vectors, cell, system.pbc, system.index.index_select(0, i)) if periodic else vectors
