"""OpenMM's errors for files that it cannot use, with the file and the atoms of the types that they mention."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError

Atoms = list[tuple[str, str]]  # number and name, and the type


def psf_types(psf: Any) -> Atoms:
    """Atoms of a CharmmPsfFile."""
    return [(f"{atom.idx} {atom.name}", atom.attype) for atom in psf.atom_list]


def xml_types(forcefield: Any, topology: Any) -> Atoms:
    """Atoms of a topology with the types that the residues of an app.ForceField give them."""
    found = []
    for residue, template in zip(topology.residues(), forcefield.getMatchingTemplates(topology), strict=True):
        named = {atom.name: atom.type for atom in template.atoms}
        found += [(f"{atom.index} {atom.name}", named.get(atom.name, "")) for atom in residue.atoms()]
    return found


def top_types(file: str) -> Atoms:
    """Rows of [ atoms ] of a GROMACS topology, numbered as there."""
    found, section = [], ""
    for line in Path(file).read_text().splitlines():
        fields = line.split(";")[0].split()
        if fields[:1] == ["["]:
            section = fields[1]
        elif section == "atoms" and len(fields) > 4:
            found.append((f"{fields[0]} {fields[4]}", fields[1]))
    return found


def naming(file: str, make: Callable[[], Any], types: Callable[[], Atoms] = list) -> Any:
    """The result of `make`; errors of OpenMM name the file and the atoms of the types that they mention."""
    try:
        return make()
    except LabkitError:
        raise
    except Exception as error:
        root: BaseException = error
        while root.__context__ is not None:  # OpenMM wraps some errors in less informative ones
            root = root.__context__
        message = "; ".join(
            dict.fromkeys(f"there is no entry for {e}" if isinstance(e, KeyError) else str(e) for e in (error, root))
        )
        raise LabkitError(f"{file}: OpenMM cannot use it: {message}{_named(message, types)}") from error


def _named(message: str, types: Callable[[], Atoms]) -> str:
    """The atoms of the types that are named in a message."""
    if "type" not in message and "entry" not in message:
        return ""
    words, atoms = set(re.findall(r"[\w*+-]+", message)), types()
    return "".join(
        f"; atoms of type {name}: {', '.join(atom for atom, kind in atoms if kind == name)}"
        for name in dict.fromkeys(kind for _, kind in atoms)
        if name in words
    )
