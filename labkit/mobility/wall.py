"""Spheres above a no-slip plane: a mobility that depends on the positions of the particles."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labkit.base import System
from labkit.errors import LabkitError
from labkit.mobility.mobility import Mobility
from labkit.mobility.open_fluid import RotnePragerYamakawa
from labkit.mobility.pair import positive


class WallRotnePragerYamakawa(Mobility):
    """Spheres of one radius above the no-slip plane z = 0: M_ij = (1 + a²/6 ∇_i²)(1 + a²/6 ∇_j²) G(r_i, r_j).

    G is Blake's Green function. M is the free Rotne-Prager-Yamakawa tensor plus that of the image, so that pairs may
    overlap; for one sphere at height h it is, in 1/(6πηa) and with x = a/h,

        M_xx = M_yy = 1 - 9/16 x + 1/8 x³ - 1/16 x⁵,    M_zz = 1 - 9/8 x + 1/2 x³ - 1/8 x⁵.

    That is the order of Rotne and Prager, not lubrication: against Brenner's exact M_zz it is 1 % too high at h = 3a,
    5 % at 2a and 22 % at 1.5a, and at contact it is 1/4 instead of 0. A sphere that dips into the wall (z < a, where G
    ends) has M of z = a, times z/a for each of the two particles: symmetric, positive, continuous, and zero where the
    centre reaches the plane.

    Blake, Proc. Camb. Phil. Soc. 70, 303 (1971); Swan and Brady, Phys. Fluids 19, 113306 (2007); below contact: Balboa
    Usabiaga, Delmotte and Donev, J. Chem. Phys. 146, 134104 (2017). ∇·M is not zero.

    radius Å, viscosity eV fs/Å^3. Raises LabkitError for a particle at z <= 0.

    >>> above = torch.tensor([[[0.0, 0.0, 20.0]]], dtype=torch.float64)
    >>> m = WallRotnePragerYamakawa(radius=10.0, viscosity=1.0).matrix(above)[0] * 6 * math.pi * 10
    >>> [round(float(m[k, k]), 6) for k in (0, 2)]
    [0.732422, 0.496094]
    """

    def __init__(self, radius: float, viscosity: float) -> None:
        super().__init__()
        self.free = RotnePragerYamakawa(float(positive(radius, "radius", "Å")), viscosity)

    def rows(self, positions: Tensor, cell: Tensor | None, rows: slice) -> Tensor:
        a = self.free.radius.to(positions)
        height = positions[..., 2]
        lifted = torch.cat([positions[..., :2], height.clamp(min=a)[..., None]], -1)
        damping = (height / a).clamp(max=1.0)
        blocks = self.free.rows(lifted, cell, rows) + self._image(lifted, rows)
        return blocks * (damping[:, rows, None] * damping[:, None])[..., None, None]

    def check(self, system: System, positions: Tensor) -> None:
        super().check(system, positions)
        below = torch.nonzero(~(positions[:, 2] > 0)).flatten()
        if len(below):
            atom, where = int(below[0]), int(system.index[below[0]])
            raise LabkitError(
                f"{type(self).__name__}: system {where}, particle {atom - system.offsets[where]} is at z = "
                f"{float(positions[atom, 2]):.4g} Å, behind the wall at z = 0; add a potential that keeps it above, or "
                "use a smaller timestep"
            )

    def _image(self, x: Tensor, rows: slice) -> Tensor:
        """The wall's part, (S, m, n, 3, 3). e points from the image of j to i, s = j's share of both heights."""
        a = self.free.radius.to(x)
        mine, other = x[:, rows, None] / a, x[:, None] / a
        e = torch.cat([(mine - other)[..., :2], (mine + other)[..., 2:]], -1)
        r = torch.linalg.vector_norm(e, dim=-1)
        e = e / r[..., None]
        s, z = other[..., 2] / (mine + other)[..., 2], e[..., 2]
        zz, r1, r3, r5 = z * z, 1 / r, r**-3, r**-5
        both = s * (1 - s)
        unit = -(3 * (1 + 2 * both * zz) * r1 + 2 * (1 - 3 * zz) * r3 - 2 * (1 - 5 * zz) * r5) / 3
        ee = -(3 * (1 - 6 * both * zz) * r1 - 6 * (1 - 5 * zz) * r3 + 10 * (1 - 7 * zz) * r5) / 3
        en = 2 / 3 * z * (3 * s * (1 - 6 * (1 - s) * zz) * r1 - 6 * (1 - 5 * zz) * r3 + 10 * (2 - 7 * zz) * r5)
        ne = 2 / 3 * z * (3 * s * r1 - 10 * r5)
        nn = -4 / 3 * (3 * s**2 * zz * r1 + 3 * zz * r3 + (2 - 15 * zz) * r5)
        eye = torch.eye(3, dtype=x.dtype, device=x.device)
        n = eye[2].expand(e.shape)
        blocks = unit[..., None, None] * eye
        for factor, left, right in ((ee, e, e), (en, e, n), (ne, n, e), (nn, n, n)):
            blocks = blocks + factor[..., None, None] * left[..., :, None] * right[..., None, :]
        return blocks / (8 * math.pi * self.free.viscosity.to(x) * a)
