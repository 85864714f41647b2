"""Collective variables of beads: the fraction of native contacts, and the RMSD from a reference after superposition."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from labkit.errors import LabkitError


class BeadVariable(Protocol):
    """A number ξ for each configuration of beads."""

    n_beads: int

    def __call__(self, beads: Tensor) -> Tensor:
        """ξ (S,) of beads (S, m, 3) Å; differentiable."""
        ...

    def compute(self, beads: np.ndarray, gradients: np.ndarray) -> np.ndarray:
        """ξ (S,) of beads (S, m, 3) by a compiled kernel, which writes dξ/dr (S, m, 3) 1/Å."""
        ...


class NativeContacts:
    """Q = (1/N) Σ 1/(1 + exp(β (r_ij - λ r⁰_ij))), over the N pairs in contact in the native structure.

    native     (m, 3) Å, beads of the native structure
    separation, cutoff   pairs count if j - i ≥ separation and r⁰_ij < cutoff [Å]
    steepness  β 1/Å; tolerance λ

    A soft step (β = 1/Å) has a gradient even if a pair is far apart, as a bias needs. Best, Hummer and
    Eaton, Proc. Natl. Acad. Sci. USA 110, 17874 (2013). Raises LabkitError if no pair is in contact.

    >>> square = [[0.0, 0, 0], [4, 0, 0], [4, 4, 0], [0, 4, 0]]
    >>> contacts = NativeContacts(square)
    >>> contacts.pairs.tolist(), round(float(contacts(torch.tensor([square]).double())), 3)
    ([[0, 3]], 0.881)
    """

    def __init__(
        self, native: Any, separation: int = 3, cutoff: float = 7.5, steepness: float = 1.0, tolerance: float = 1.5
    ) -> None:
        native = torch.as_tensor(native, dtype=torch.float64)
        i, j = torch.triu_indices(len(native), len(native), separation)
        distances = (native[j] - native[i]).norm(dim=1)
        near = distances < cutoff
        if not bool(near.any()):
            raise LabkitError(
                f"NativeContacts: no two of {len(native)} beads {separation} or more apart along the chain are closer "
                f"than {cutoff:g} Å (the nearest: {float(distances.min()) if len(distances) else np.inf:.2f} Å); give "
                "a folded structure, or a larger cutoff"
            )
        self.n_beads, self.pairs = len(native), torch.stack([i, j], 1)[near]
        self.steepness, self.reach = float(steepness), tolerance * distances[near]

    def __call__(self, beads: Tensor) -> Tensor:
        i, j = self.pairs.unbind(1)
        r = (beads[:, j] - beads[:, i]).norm(dim=2)
        return torch.sigmoid(self.steepness * (self.reach.to(beads) - r)).mean(1)

    def compute(self, beads: np.ndarray, gradients: np.ndarray) -> np.ndarray:
        from labkit.folding.kernels import contacts

        return contacts(self.pairs.numpy(), self.reach.numpy(), self.steepness, beads, gradients)


class Rmsd:
    """RMSD from a reference in Å: sqrt(min_R,t Σ |r_i - R a_i - t|²/m) over rotations R, without mirror images.

    reference (m, 3) Å, three or more beads that are not collinear

    Kabsch, Acta Cryst. A 32, 922 (1976). The derivative is (r_i - <r> - R (a_i - <a>))/(m RMSD). Raises LabkitError for
    collinear references.

    >>> corner = torch.tensor([[[0.0, 0, 0], [4, 0, 0], [4, 4, 0], [4, 4, 4]]]).double()
    >>> round(float(Rmsd(corner[0])(corner * 1.1)), 3), float(Rmsd(corner[0])(-corner)) > 1  # a mirror image
    (0.316, True)
    """

    def __init__(self, reference: Any) -> None:
        reference = torch.as_tensor(reference, dtype=torch.float64)
        self.reference = reference - reference.mean(0)
        if len(reference) < 3 or float(torch.linalg.svdvals(self.reference)[1]) < 1e-6:
            raise LabkitError(f"Rmsd: {len(reference)} beads that do not span a plane; expected 3 that do")
        self.n_beads = len(reference)

    def __call__(self, beads: Tensor) -> Tensor:
        reference = self.reference.to(beads)
        centred = beads - beads.mean(1, keepdim=True)
        u, s, vt = torch.linalg.svd((centred.mT @ reference).detach())
        sign = torch.det(u @ vt).sign()
        turn = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], 1)
        # the best rotation is stationary, so it may be held fixed in the derivative
        rotation = (vt.mT * turn[:, None]) @ u.mT
        apart = centred - reference @ rotation
        return (apart.square().sum((1, 2)) / self.n_beads).clamp(min=1e-12).sqrt()

    def compute(self, beads: np.ndarray, gradients: np.ndarray) -> np.ndarray:
        from labkit.folding.kernels import rmsd

        return rmsd(self.reference.numpy(), beads, gradients)
