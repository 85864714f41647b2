"""Is a learned mobility symmetric? Reciprocity requires it; otherwise forces and noise are inconsistent."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.errors import LabkitError
from labkit.lammps.mlmod.models import TOLERANCE


def symmetric(m: Tensor) -> Tensor:
    """M (S, 3n, 3n) unchanged; raises LabkitError, with the entries that differ most, if M is not Mᵀ.

    The tolerance is float32's precision relative to the largest entry.
    """
    apart = (m - m.mT).abs()
    wrong = apart.amax((1, 2)) > TOLERANCE * m.abs().amax((1, 2))
    if not bool(wrong.any()):
        return m
    system = int(torch.nonzero(wrong)[0])
    p, q = divmod(int(apart[system].argmax()), m.shape[1])
    where = f"system {system}: " if len(m) > 1 else ""
    raise LabkitError(
        f"{where}the mobility is not symmetric: M[{p}, {q}] = {float(m[system, p, q]):.4g} (particle {p // 3} along "
        f"{'xyz'[p % 3]}, a force on {q // 3} along {'xyz'[q % 3]}; counted from 0, in the order of their IDs), but "
        f"M[{q}, {p}] = {float(m[system, q, p]):.4g}. M F would use all of M, the noise only its symmetric part; "
        "export a model that returns (M + M.T)/2"
    )
