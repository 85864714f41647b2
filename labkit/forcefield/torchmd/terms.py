"""The terms of a TorchMD file for the atoms of one topology."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from labkit.config import config
from labkit.errors import LabkitError
from labkit.forcefield.terms.angles import HarmonicAngles
from labkit.forcefield.terms.bonds import HarmonicBonds
from labkit.forcefield.terms.impropers import HarmonicImpropers
from labkit.forcefield.terms.pairs14 import Pairs14
from labkit.forcefield.terms.term import Term
from labkit.forcefield.terms.torsions import Torsions
from labkit.forcefield.topology import angles_of, dihedrals_of
from labkit.forcefield.torchmd.file import TorchmdFile
from labkit.forcefield.torchmd.near import near_by_bonds, near_by_terms
from labkit.units import KCAL_PER_MOL

Rows = Sequence[Sequence[int]]


class TorchmdTerms:
    """Terms from the entries of a file for the rows of atoms of one topology; a row that is given twice counts once.

    in_use  terms that are in use, for exclusions and 1-4 pairs as in TorchMD: only bonds, angles and dihedrals in use
            make any, and only those of the given rows; None: all neighbours by bonds, whatever terms are in use
    """

    def __init__(
        self, file: TorchmdFile, types: Sequence[str], bonds: Rows, angles: Any, dihedrals: Any, impropers: Rows,
        periodic: bool, in_use: Collection[str] | None = None,
    ) -> None:  # fmt: skip
        self.file, self.types, self.periodic = file, [str(t) for t in types], periodic
        n_atoms = len(self.types)
        pairs = _either_way(_plain(bonds, 2, "bonds", n_atoms))
        angles = angles_of(pairs) if angles is None else angles
        dihedrals = dihedrals_of(pairs) if dihedrals is None else dihedrals
        self.rows = {
            "bonds": pairs,
            "angles": _either_way(_plain(angles, 3, "angles", n_atoms)),
            "dihedrals": _either_way(_plain(dihedrals, 4, "dihedrals", n_atoms)),
            "impropers": sorted(set(_plain(impropers, 4, "impropers", n_atoms))),
        }
        self.near = near_by_bonds(pairs, self.rows["angles"]) if in_use is None else near_by_terms(self.rows, in_use)

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

    def torsions(self) -> dict[str, Term]:
        found = zip(self.rows["dihedrals"], self.entries("dihedrals"), strict=True)
        return self._cosines("dihedrals", [(row, term) for row, entry in found for term in entry["terms"]])

    def impropers(self) -> dict[str, Term]:
        """Around the third atom, or else around the one that is bonded to the others; the angle is that of the row."""
        return self._cosines("impropers", [(row, self._around(row)) for row in self.rows["impropers"]])

    def _around(self, row: tuple[int, ...]) -> Any:
        try:
            return self.file.get("impropers", [self.types[a] for a in row], row)
        except LabkitError:
            bonds = set(self.rows["bonds"])
            for centre in row:
                others = [a for a in row if a != centre]
                if all((min(a, centre), max(a, centre)) in bonds for a in others):
                    return self.file.get("impropers", [self.types[a] for a in (*others[:2], centre, others[2])], row)
            raise

    def _cosines(self, name: str, found: list[tuple[Any, dict[str, float]]]) -> dict[str, Term]:
        """phi_k (1 + cos(per φ - phase)), and for per 0 phi_k (φ - phase)², as CHARMM's impropers."""
        waves = [pair for pair in found if pair[1]["per"]]
        springs = [pair for pair in found if not pair[1]["per"]]
        made: dict[str, Term] = {}
        if waves:
            rows, phase, k = self._columns(waves)
            made[name] = Torsions(rows, [term["per"] for _, term in waves], phase, k, self.periodic)
        if springs:
            rows, phase, k = self._columns(springs)
            made[f"{name}_harmonic"] = HarmonicImpropers(rows, [2 * value for value in k], phase, self.periodic)
        return made

    def _columns(self, found: list[tuple[Any, dict[str, float]]]) -> tuple[list[Any], list[float], list[float]]:
        rows = [row for row, _ in found]
        terms = [term for _, term in found]
        return rows, [math.radians(t["phase"]) for t in terms], [t["phi_k"] * KCAL_PER_MOL for t in terms]

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

    def scaled(self, charges: Tensor, with_lj: bool) -> Term:
        product, sigma, epsilon = [], [], []
        for (i, j), row in self.near.pairs14.items():
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
        return Pairs14(list(self.near.pairs14), product, sigma, epsilon, self.periodic)


def _either_way(rows: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Each row once, from its lower end, ascending."""
    return sorted({row if row[0] < row[-1] else row[::-1] for row in rows})


def _plain(rows: Any, width: int, what: str, n_atoms: int) -> list[tuple[int, ...]]:
    found = [tuple(int(a) for a in row) for row in (rows.tolist() if hasattr(rows, "tolist") else rows)]
    for row in found:
        if len(row) != width or not all(0 <= a < n_atoms for a in row) or len(set(row)) < width:
            raise LabkitError(f"{what}: row {list(row)}; expected {width} different atoms of 0 to {n_atoms - 1}")
    return found
