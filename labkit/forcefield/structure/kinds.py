"""What kind of file a file is: by its ending, and by its first lines where several programs use the same ending."""

from __future__ import annotations

import re
from pathlib import Path


def kind(path: str | Path) -> str:
    """The ending of a file in lower case, or that of the format which its first lines show.

    AMBER's topologies are also called .top (GROMACS's own ending) and .prm (CHARMM's), its coordinates .crd (CHARMM's):
    they are then .prmtop and .inpcrd here, and its trajectories of text, also called .crd, are .mdcrd.

    >>> kind("ala.PDB")
    '.pdb'
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".top", ".prm", ".crd") or not path.is_file():
        return suffix
    with path.open(encoding="latin-1") as file:
        lines = [line for _, line in zip(range(2), file)]
    if suffix != ".crd":
        return ".prmtop" if lines and lines[0].startswith(("%VERSION", "%FLAG")) else suffix
    if not lines or lines[0].startswith("*"):  # CHARMM's title
        return suffix
    return ".inpcrd" if len(lines) > 1 and re.fullmatch(r"\s*\d+(\s+\S+){0,2}\s*", lines[1]) else ".mdcrd"
