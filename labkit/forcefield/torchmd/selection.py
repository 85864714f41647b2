"""Terms of a whole force field, as AMBER's prmtop has them, by the names that TorchMD's run files have for them."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence

import torch

from labkit.errors import LabkitError, suggest
from labkit.forcefield.forcefield import ForceField
from labkit.forcefield.terms.angles import HarmonicAngles
from labkit.forcefield.terms.bonds import HarmonicBonds, UreyBradley
from labkit.forcefield.terms.cmap import Cmap
from labkit.forcefield.terms.coulomb import Coulomb
from labkit.forcefield.terms.geometric_mixing import GeometricLennardJones
from labkit.forcefield.terms.impropers import HarmonicImpropers
from labkit.forcefield.terms.lennard_jones import LennardJones
from labkit.forcefield.terms.nbfix import Nbfix
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.forcefield.terms.pairs14 import Pairs14
from labkit.forcefield.terms.pme import Pme
from labkit.forcefield.terms.ryckaert_bellemans import RyckaertBellemans
from labkit.forcefield.terms.term import Term
from labkit.forcefield.terms.torsions import Torsions
from labkit.forcefield.torchmd.near import Row, near_by_terms

#: Kinds of terms and the name in a run file by which each is chosen; a kind without a name here always counts.
NAMES: dict[type[Term], str] = {
    HarmonicBonds: "bonds", HarmonicAngles: "angles", UreyBradley: "angles", Torsions: "dihedrals",
    RyckaertBellemans: "dihedrals", Cmap: "dihedrals", HarmonicImpropers: "impropers", Pairs14: "1-4",
    LennardJones: "lj", GeometricLennardJones: "lj", Nbfix: "lj", Coulomb: "electrostatics", Pme: "electrostatics",
}  # fmt: skip
ALL = ("bonds", "angles", "dihedrals", "impropers", "1-4", "lj", "electrostatics")


def select(
    forcefield: ForceField,
    terms: Sequence[str] | None = None,
    exclusions: Sequence[str] | None = None,
    impropers: Collection[Row] = (),
) -> ForceField:
    """The terms that are named, with all that belongs to them, and the pairs that TorchMD excludes with these terms.

    CMAP belongs to the dihedrals, Urey-Bradley to the angles, Lennard-Jones by pairs of types (NBFIX) to lj; a kind of
    term that has no name in run files always counts. 1-4 pairs have the parts that are named, as pairs have.

    terms       names of ALL; None: all of them
    exclusions  bonds, angles, 1-4, which exclude pairs where bonds, angles, dihedrals are among `terms`; None: all
                three, and with all of them among `terms` the pairs that the force field itself excludes
    impropers   rows of atoms of torsions that are impropers

    Raises LabkitError for unknown names, and where no term is left.
    """
    in_use = set(ALL if terms is None else terms)
    for name in in_use:
        if name not in ALL:
            known = f"; known: {', '.join(ALL)}"
            raise LabkitError(f"forceterms: unknown term {name!r}{suggest(name, ALL) or known}")
    parts = dict(_divided(forcefield, {tuple(row) for row in impropers}))
    kept = {name: term for name, term in parts.items() if _name(name, term) in {*in_use, None}}
    kept = {name: _scaled_parts(term, in_use) if term.kind is Pairs14 else term for name, term in kept.items()}
    if exclusions is not None or not {"bonds", "angles", "dihedrals"} <= in_use:
        kinds = ("bonds", "angles", "1-4") if exclusions is None else exclusions
        left_out = near_by_terms(_rows(parts), in_use).excluded(kinds)
        kept = {name: _excluding(term, left_out) if isinstance(term, PairTerm) else term for name, term in kept.items()}
    if not kept:
        raise LabkitError(f"forceterms: there is no term {', '.join(sorted(in_use))}; there are {', '.join(parts)}")
    return ForceField(kept, forcefield.n_atoms, pair_dtype=torch.float32 if forcefield.single_pairs else torch.float64)


def _name(name: str, term: Term) -> str | None:
    return "impropers" if name.startswith("improper") else NAMES.get(term.kind)


def _divided(forcefield: ForceField, impropers: set[Row]) -> Iterator[tuple[str, Term]]:
    """The terms, with impropers apart from other torsions."""
    for name, term in forcefield.terms.items():
        if term.kind is not Torsions:
            yield name, term
            continue
        improper = torch.tensor([tuple(row) in impropers for row in term.atoms.tolist()], dtype=torch.bool)
        for some, mark in ((name, ~improper), (f"improper_{name}", improper)):
            if bool(mark.any()):
                yield some, Torsions(term.atoms[mark], term.n[mark], term.phase[mark], term.k[mark], term.periodic)


def _rows(parts: dict[str, Term]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {"bonds": [], "angles": [], "dihedrals": []}
    for name, term in parts.items():
        kind = _name(name, term)
        if kind in found and "atoms" in term.INDICES and term.kind not in (UreyBradley, Cmap):
            found[kind] += [row if row[0] < row[-1] else row[::-1] for row in map(tuple, term.atoms.tolist())]
    return found


def _scaled_parts(term: Pairs14, in_use: set[str]) -> Pairs14:
    """1-4 pairs, of Lennard-Jones and electrostatics those that are in use."""
    charges, depth = (int(name in in_use) for name in ("electrostatics", "lj"))
    return Pairs14(term.atoms, charges * term.charge_product, term.sigma, depth * term.epsilon, term.periodic)


def _excluding(term: PairTerm, pairs: Sequence[Row]) -> PairTerm:
    changed = copy.deepcopy(term)
    changed.exclusions = torch.as_tensor(pairs, dtype=torch.int64, device=term.exclusions.device).reshape(-1, 2)
    return changed
