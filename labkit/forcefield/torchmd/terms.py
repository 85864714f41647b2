"""The terms of a TorchMD file for the atoms of one topology."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from labkit.config import config
from labkit.errors import LabkitError
from labkit.forcefield.terms.angles import HarmonicAngles
from labkit.forcefield.terms.bonds import HarmonicBonds
from labkit.forcefield.terms.pairs14 import Pairs14
from labkit.forcefield.terms.term import Term
from labkit.forcefield.terms.torsions import Torsions
from labkit.forcefield.topology import angles_of, dihedrals_of, pairs14_of
from labkit.forcefield.torchmd.file import TorchmdFile
from labkit.units import KCAL_PER_MOL

Rows = Sequence[Sequence[int]]


class TorchmdTerms:
    """Terms from the entries of a file for the rows of atoms of one topology."""

    def __init__(
        self, file: TorchmdFile, types: Sequence[str], bonds: Rows, angles: Any, dihedrals: Any, impropers: Rows,
        periodic: bool,
    ) -> None:  # fmt: skip
        self.file, self.types, self.periodic = file, [str(t) for t in types], periodic
        pairs = sorted({(min(i, j), max(i, j)) for i, j in _plain(bonds, 2, "bonds", len(self.types))})
        self.rows = {
            "bonds": pairs,
            "angles": _tuples(angles_of(pairs)) if angles is None else _plain(angles, 3, "angles", len(self.types)),
            "dihedrals": _tuples(dihedrals_of(pairs))
            if dihedrals is None
            else _plain(dihedrals, 4, "dihedrals", len(types)),
            "impropers": _plain(impropers, 4, "impropers", len(self.types)),
        }
        self.pairs14 = pairs14_of(pairs)

    def entries(self, section: str) -> list[Any]:
        return [self.file.get(section, [self.types[a] for a in row], row) for row in self.rows[section]]

    def each(self, section: str) -> list[dict[str, float]]:
        """Entries of single atoms."""
        known: dict[str, dict[str, float]] = {}
        for atom, kind in enumerate(self.types):
            if kind not in known:
                known[kind] = self.file.get(section, [kind], [atom])
        return [known[kind] for kind in self.types]

    def bond(self) -> Term:
        found = self.entries("bonds")
        k, r0 = [2 * e["k0"] * KCAL_PER_MOL for e in found], [e["req"] for e in found]
        return HarmonicBonds(self.rows["bonds"], k, r0, self.periodic)

    def angle(self) -> Term:
        found = self.entries("angles")
        k, theta0 = [2 * e["k0"] * KCAL_PER_MOL for e in found], [math.radians(e["theta0"]) for e in found]
        return HarmonicAngles(self.rows["angles"], k, theta0, self.periodic)

    def torsion(self) -> Term:
        found = zip(self.rows["dihedrals"], self.entries("dihedrals"), strict=True)
        return self._cosines([(row, term) for row, entry in found for term in entry["terms"]])

    def improper(self) -> Term:
        return self._cosines(list(zip(self.rows["impropers"], self.entries("impropers"), strict=True)))

    def _cosines(self, found: list[tuple[Any, dict[str, float]]]) -> Term:
        return Torsions(
            [row for row, _ in found],
            [term["per"] for _, term in found],
            [math.radians(term["phase"]) for _, term in found],
            [term["phi_k"] * KCAL_PER_MOL for _, term in found],
            self.periodic,
        )

    def sizes(self) -> tuple[list[float], list[float]]:
        """σ [Å] and ε [eV] of each atom; CHARMM's minus sign of ε is dropped if all have it."""
        found = self.each("lj")
        signs = {math.copysign(1, e["epsilon"]) for e in found if e["epsilon"]}
        if len(signs) > 1:
            raise LabkitError(f"{self.file.path}: lj: some epsilon are positive, others negative; use one sign for all")
        return [e["sigma"] for e in found], [abs(e["epsilon"]) * KCAL_PER_MOL for e in found]

    def charges(self, given: Any) -> Tensor:
        values = [e["charge"] for e in self.each("electrostatics")] if given is None else given
        charges = torch.as_tensor(values, dtype=config().dtype)
        if len(charges) != len(self.types):
            raise LabkitError(f"{len(charges)} charges for {len(self.types)} atoms; give one for each")
        return charges

    def excluded(self, kinds: Sequence[str]) -> list[tuple[int, int]]:
        found: set[tuple[int, int]] = set(self.rows["bonds"]) if "bonds" in kinds else set()
        if "angles" in kinds:
            found |= {(min(i, k), max(i, k)) for i, _, k in self.rows["angles"]}
        return sorted(found | (set(self.pairs14) if "1-4" in kinds else set()))

    def scaled(self, charges: Tensor, with_lj: bool) -> Term:
        product, sigma, epsilon = [], [], []
        for (i, j), row in self.pairs14.items():
            entry = self.file.get("dihedrals", [self.types[a] for a in row], row)
            ends = [self.file.get("lj", [self.types[a]], [a]) for a in (i, j)] if with_lj else []
            for end, atom in zip(ends, (i, j), strict=False):
                if "sigma14" not in end or "epsilon14" not in end:
                    raise LabkitError(
                        f"{self.file.path}: lj, {self.types[atom]} (atom {atom}): sigma14 or epsilon14 is missing, "
                        "which the 1-4 pairs need; add them, or leave '1-4' out"
                    )
            product.append(float(charges[i] * charges[j]) / entry.get("scee", 1.0))
            sigma.append(0.5 * sum(end["sigma14"] for end in ends))
            depth = math.sqrt(math.prod(abs(end["epsilon14"]) for end in ends)) if ends else 0.0
            epsilon.append(depth / entry.get("scnb", 1.0) * KCAL_PER_MOL)
        return Pairs14(list(self.pairs14), product, sigma, epsilon, self.periodic)


def _tuples(rows: Any) -> list[tuple[int, ...]]:
    return [tuple(row) for row in rows.tolist()]


def _plain(rows: Any, width: int, what: str, n_atoms: int) -> list[tuple[int, ...]]:
    found = [tuple(int(a) for a in row) for row in (rows.tolist() if hasattr(rows, "tolist") else rows)]
    for row in found:
        if len(row) != width or not all(0 <= a < n_atoms for a in row) or len(set(row)) < width:
            raise LabkitError(f"{what}: row {list(row)}; expected {width} different atoms of 0 to {n_atoms - 1}")
    return found
