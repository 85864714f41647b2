"""TypedTerm: the parameters of one kind of term by the types of its atoms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labkit.base import System
from labkit.errors import LabkitError
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.forcefield.terms.shared import tie
from labkit.forcefield.terms.term import Term
from labkit.forcefield.topology import angles_of, dihedrals_of, near_pairs_of
from labkit.forcefield.typed.table import TypedTable, Types, show
from labkit.forcefield.typed.values import Parameters, column, find_rows, number_rows

#: rows of atoms (m, w) of a system
Rows = Callable[[System], Any]


class TypedTerm(nn.Module):
    """Parameters of a kind of term by types, for the atoms of any system that has such types.

    kind      the class of a term, such as HarmonicBonds
    entries   {types: {parameter: value}}: one type for what belongs to single atoms (charges, radii), two for bonds and
              for Nbfix, three for angles, four for dihedrals. Types are read in either direction; "*" is any type, and
              the entry with fewest "*" counts. A list of several {parameter: value} gives as many rows (the cosines of
              a torsion); None says that there is no such term.
    rows      system -> atoms (m, w); by default all bonds, angles or dihedrals that follow from system.bonds
    exclude   for terms of all pairs: those joined by at most so many bonds are left out (3: up to 1-4)
    settings  other arguments of the kind: cutoff, switch, periodic, ...

    `values[name]` (rows of the table, ...) are nn.Parameters, which may require gradients; `types[k]` are those of
    row k. Raises LabkitError for parameters that are unknown, missing or not finite.

    >>> from labkit.forcefield import HarmonicBonds
    >>> bonds = TypedTerm(HarmonicBonds, {("CA", "CA"): {"k": 13.0, "r0": 3.8}, ("CA", "*"): {"k": 27.0, "r0": 1.5}})
    >>> bonds.values["r0"].tolist(), bonds.types
    ([3.8, 1.5], [('CA', 'CA'), ('CA', '*')])
    """

    def __init__(
        self,
        kind: type[Term],
        entries: Mapping[Types | str, Parameters | Sequence[Parameters] | None],
        *,
        rows: Rows | None = None,
        exclude: int = 3,
        **settings: Any,
    ) -> None:
        super().__init__()
        if not (isinstance(kind, type) and issubclass(kind, Term)) or not kind.BY_TYPES:
            raise LabkitError(f"{getattr(kind, '__name__', kind)!r} is not a kind of term that can be given by types")
        self.kind, self.rows, self.exclude, self.settings = kind, rows, exclude, settings
        self.of_pairs = issubclass(kind, PairTerm)
        self.table = TypedTable(kind.__name__, entries)
        self.types, parts = number_rows(self.table, [(key,) if isinstance(key, str) else key for key in entries])
        columns = {p: column(kind.__name__, kind.VALUES, p, self.types, parts) for p in kind.VALUES}
        self.values = nn.ParameterDict({p: nn.Parameter(c, requires_grad=False) for p, c in columns.items()})
        self._check_width()
        #: its part in the fingerprint of a run, besides the values
        self.summary = f"{kind.__name__} {self.types} {exclude} {settings}"

    def _check_width(self) -> None:
        width, name = self.table.width, self.kind.__name__
        expected = self.kind.BY_TYPES
        if width not in expected:
            raise LabkitError(f"{name}: entries of {width} types, expected {' or '.join(map(str, expected))}")
        several = [types for types, rows in self.table.entries.items() if len(rows) != 1]
        if self.of_pairs and several:
            raise LabkitError(f"{name}: {show(several[0])}: expected one set of parameters, as all pairs count")

    @property
    def cutoff(self) -> float:
        """Å; 0 if no neighbours are needed."""
        if not self.of_pairs:
            return 0.0
        default = signature(self.kind).parameters["cutoff"].default
        return float(self.settings.get("cutoff", default) or 0.0)

    def term(self, system: System) -> Term:
        """The term for all atoms of a batch, with these parameters: they are shared, not copied."""
        which, fields = (self._pairs if self.of_pairs else self._rows)(system)
        made = self.kind(**fields, **{p: v.detach()[which] for p, v in self.values.items()}, **self.settings)
        for parameter, values in self.values.items():
            tie(made, parameter, values, which)
        return made

    def _rows(self, system: System) -> tuple[Tensor, dict[str, Any]]:
        """The row of the table for each row of atoms, and the atoms."""
        atoms = torch.as_tensor(self._atoms(system), dtype=torch.int64, device=system.index.device)
        atoms = atoms.reshape(-1, self.table.width)
        present, place = torch.unique(system.types, return_inverse=True)
        radix = len(present) ** torch.arange(self.table.width, device=place.device)  # one number for each row of types
        kinds, which = torch.unique((place[atoms] * radix).sum(1), return_inverse=True)
        kinds = present[kinds[:, None] // radix % len(present)]
        found = find_rows(self.table, system, kinds, lambda k: atoms[torch.nonzero(which == k)[0, 0]])
        counts = torch.tensor([len(rows) for rows in found], dtype=torch.int64)
        table = torch.zeros(len(found), max(counts.tolist(), default=0), dtype=torch.int64)
        for k, rows in enumerate(found):
            table[k, : len(rows)] = torch.tensor(rows, dtype=torch.int64)
        some = (torch.arange(table.shape[1]) < counts[:, None]).to(which.device)[which]  # the entries in use
        return table.to(which.device)[which][some], {"atoms": atoms.repeat_interleave(some.sum(1), dim=0)}

    def _atoms(self, system: System) -> Any:
        if self.rows is not None:
            return self.rows(system)
        if self.table.width == 1:
            return torch.arange(system.n_atoms)
        bonds = self._bonds(system)
        return {2: lambda b: b, 3: angles_of, 4: dihedrals_of}[self.table.width](bonds)

    def _bonds(self, system: System) -> np.ndarray:
        if system.bonds is None:
            raise LabkitError(f"{self.kind.__name__}: the bonds of this batch are not known; give System(bonds=...)")
        return system.bonds.cpu().numpy()

    def _pairs(self, system: System) -> tuple[Tensor, dict[str, Any]]:
        """The row of the table for each atom, or for each pair of kinds; the exclusions."""
        left_out = near_pairs_of(self._bonds(system), system.n_atoms, self.exclude) if self.exclude else ()
        fields: dict[str, Any] = {"exclusions": torch.as_tensor(np.asarray(left_out), device=system.index.device)}
        kinds, which = torch.unique(system.types, return_inverse=True)
        first = torch.stack([torch.nonzero(which == k)[0, 0] for k in range(len(kinds))])
        if self.table.width == 1:
            found = find_rows(self.table, system, kinds[:, None], lambda k: first[k][None])
            return torch.tensor(found, device=which.device).flatten()[which], fields
        present = torch.zeros(system.n_systems, len(kinds), dtype=torch.int64, device=which.device)
        present[system.index, which] = 1
        k, l = torch.nonzero(present.T @ present, as_tuple=True)  # kinds that meet in a system
        found = find_rows(
            self.table, system, torch.stack([kinds[k], kinds[l]], 1), lambda p: torch.stack([first[k[p]], first[l[p]]])
        )
        table = torch.zeros(len(kinds), len(kinds), dtype=torch.int64, device=which.device)
        table[k, l] = torch.tensor(found, device=which.device).flatten()
        return table, {**fields, "kinds": which}
