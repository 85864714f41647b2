"""Force fields in TorchMD's YAML format: parameters by atom types, a topology of bonds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labkit.config import config
from labkit.errors import LabkitError, suggest
from labkit.forcefield.forcefield import ForceField
from labkit.forcefield.terms.coulomb import Coulomb
from labkit.forcefield.terms.lennard_jones import LennardJones
from labkit.forcefield.terms.repulsion import Repulsion, RepulsionCG
from labkit.forcefield.terms.term import Term
from labkit.forcefield.torchmd.file import TorchmdFile
from labkit.forcefield.torchmd.terms import Rows, TorchmdTerms

TERMS = ("bonds", "angles", "dihedrals", "impropers", "1-4", "lj", "electrostatics", "repulsion", "repulsioncg")
DEFAULT = TERMS[:7]
EXCLUSIONS = ("bonds", "angles", "1-4")


def from_torchmd_yaml(
    path: str | Path,
    types: Sequence[str],
    bonds: Rows,
    *,
    angles: Rows | None = None,
    dihedrals: Rows | None = None,
    impropers: Rows = (),
    terms: Sequence[str] = DEFAULT,
    charges: Any = None,
    cutoff: float | None = None,
    switch: float | None = None,
    reaction_field: bool = False,
    dielectric: float = 78.5,
    exclusions: Sequence[str] = EXCLUSIONS,
    only_terms_exclude: bool = False,
    periodic: bool = False,
) -> ForceField:
    """The force field of a file for atoms of these `types`; kcal/mol and degrees of the file become eV and rad.

    E = k0 (r - req)² + k0 (θ - theta0)² + Σ phi_k (1 + cos(per φ - phase)) + 4 ε ((σ/r)^12 - (σ/r)^6) + k_e q q / r,
    the last two within `cutoff` (Å) and divided by scnb and scee for 1-4 pairs, which have no cutoff here. With per 0 a
    torsion is harmonic, phi_k (φ - phase)².

    types (n,) one for each atom; bonds (m, 2)
    angles (m, 3), dihedrals (m, 4)  None: all that follow from the bonds
    impropers (m, 4)  φ is that of the row; the entry is that of the types around the third atom, or else around the
                  atom that is bonded to the other three
    terms         those of the file to include, of bonds, angles, dihedrals, impropers, 1-4, lj, electrostatics,
                  repulsion (4 ε (σ/r)^12), repulsioncg (4 ε (σ/r)^6)
    charges (n,)  e; None: those of the file
    reaction_field  with `dielectric` beyond the cutoff; without it charges are cut off with a shift: TorchMD's forces,
                  and energies that are continuous, which TorchMD's are not
    exclusions    bonded neighbours that interact only through their bonds; of all bonds, whatever `terms` says
    only_terms_exclude  True: as in TorchMD and in its run files, bonds, angles and dihedrals exclude pairs only if they
                  are among `terms`, and only those that are given
    periodic      bonded terms to the nearest image, for molecules cut by the walls of the cell

    Raises LabkitError, naming file, section, types and atoms, for what is missing, unknown or out of range.
    """
    wanted = [term.lower() for term in terms]
    for given, known, what in ((wanted, TERMS, "term"), (exclusions, EXCLUSIONS, "exclusion")):
        for name in given:
            if name not in known:
                raise LabkitError(f"unknown {what} {name!r}{suggest(name, known)}; known: {', '.join(known)}")
    build = TorchmdTerms(
        TorchmdFile(path), types, bonds, angles, dihedrals, impropers, periodic, wanted if only_terms_exclude else None
    )
    left_out = build.near.excluded(exclusions)
    made: dict[str, Term] = {}
    for name, make in (("bonds", build.bond), ("angles", build.angle)):
        if name in wanted and build.rows[name]:
            made[name] = make()
    for name, make in (("dihedrals", build.torsions), ("impropers", build.impropers)):
        if name in wanted:
            made.update(make())
    if {"lj", "repulsion", "repulsioncg"} & set(wanted):
        sigma, epsilon = build.sizes()
        if "lj" in wanted:
            made["lj"] = LennardJones(sigma, epsilon, left_out, cutoff, switch if cutoff else None)
        for name, kind in (("repulsion", Repulsion), ("repulsioncg", RepulsionCG)):
            if name in wanted:
                made[name] = kind(sigma, epsilon, left_out, cutoff)
    q = build.charges(charges) if "electrostatics" in wanted else torch.zeros(len(build.types))
    if "electrostatics" in wanted:
        made["electrostatics"] = Coulomb(q, left_out, cutoff, dielectric if reaction_field and cutoff else None)
    if "1-4" in wanted and {"lj", "electrostatics"} & set(wanted) and build.near.pairs14:
        made["1-4"] = build.scaled(q, with_lj="lj" in wanted)
    return ForceField(made, len(build.types))


def torchmd_masses(path: str | Path, types: Sequence[str]) -> Tensor:
    """Masses (n,) in u of atoms of these types, from a file."""
    file = TorchmdFile(path)
    return torch.tensor([file.get("masses", [t], [i]) for i, t in enumerate(types)], dtype=config().dtype)
