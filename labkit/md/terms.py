"""Terms of a run: those of a file without `forceterms`, and what of the topology does not count among them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from labkit.forcefield.topology import angles_of, dihedrals_of
from labkit.forcefield.torchmd.file import TorchmdFile
from labkit.forcefield.torchmd.reader import DEFAULT
from labkit.md.atoms import Topology


def topology_notes(topology: Topology, file: TorchmdFile, terms: Sequence[str] | None) -> list[str]:
    """What of the topology counts instead of the force field, and what of it does not count."""
    notes = []
    own = [file.sections.get("electrostatics", {}).get((name,), {}).get("charge") for name in topology.types]
    if topology.charges is not None and any(q not in (None, p) for p, q in zip(topology.charges, own, strict=True)):
        notes.append(f"charges are those of the topology, as in TorchMD; those of {file.path} differ")
    rows = {"bonds": topology.bonds, "angles": topology.angles, "dihedrals": topology.dihedrals}
    rows["impropers"] = topology.impropers
    for name, implied in (("angles", angles_of), ("dihedrals", dihedrals_of)):
        asked = name in (terms or file.sections)
        if asked and rows[name] is not None and not len(rows[name]) and len(topology.bonds):
            count = len(implied(topology.bonds))
            notes += [f"no {name}: the topology lists none, though its bonds imply {count}"] if count else []
    if terms is None:
        lost = [f"{len(some)} {name}" for name, some in rows.items() if some and name not in file.sections]
        notes += [f"{', '.join(lost)} of the topology are left out: {file.path} has no such sections"] if lost else []
    return notes


def terms_of(sections: Collection[str], charges: Sequence[float] | None) -> list[str]:
    """All terms without `forceterms`: those of the file and, of a topology with charges, electrostatics."""
    given = {
        *sections,
        *(["1-4"] if "dihedrals" in sections else []),
        *(["electrostatics"] if any(charges or ()) else []),
    }
    return [term for term in DEFAULT if term in given]
