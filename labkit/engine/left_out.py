"""Constraints of a force field that a run was not given."""

from __future__ import annotations

import torch

from labkit.base import Potential
from labkit.engine.constraints import Constraints


def left_out(potential: Potential, constraints: Constraints | None) -> str | None:
    """What to say where a force field has no terms for some bonds, as constraints were to hold them, and none do."""
    found = [pairs for part in potential.modules() if (pairs := getattr(part, "constrained", None)) is not None]
    needed = torch.cat([pairs.cpu() for pairs in found]) if found else torch.empty(0, 2, dtype=torch.int64)
    if not len(needed):
        return None
    needed = needed.sort(1).values
    given = needed[:0] if constraints is None else constraints.atoms.cpu().sort(1).values
    size = 1 + int(torch.cat([needed, given]).max())
    missing = needed[~torch.isin(needed[:, 0] * size + needed[:, 1], given[:, 0] * size + given[:, 1])]
    if not len(missing):
        return None
    a, b = missing[0].tolist()
    return (
        f"the force field has no bonds for {len(missing)} pairs of atoms, such as {a} and {b}, which constraints "
        "were to hold, but they are not given: a rigid molecule flies apart or heats up; give "
        "constraints=Constraints(*imported.constraints), or import it with rigidWater=False and constraints=None"
    )
