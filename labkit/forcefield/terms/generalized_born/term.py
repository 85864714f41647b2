"""Implicit solvent: the generalized Born models HCT, OBC, GBn and GBn2, with a surface term."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor, nn

from labkit.base import Neighbours, System
from labkit.errors import LabkitError
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.forcefield.terms.registry import kernel_of
from labkit.forcefield.terms.type_tables import join_tables
from labkit.units import COULOMB, KCAL_PER_MOL

if TYPE_CHECKING:
    from labkit.forcefield.fast.born import CompiledBorn

OBC1, OBC2 = (0.8, 0.0, 2.909125), (1.0, 0.8, 4.85)
ACE = 5.4e-3 * KCAL_PER_MOL  # eV/Å²


class GeneralizedBorn(PairTerm):
    """E = -k_e Σ_i τ(B_i) q_i²/(2 B_i) - k_e Σ_i<j τ(f) q_i q_j (1/f - 1/r_c) + 4π γ Σ_i (R_i + 1.4 Å)² (R_i/B_i)^6.

    τ(x) = 1/ε_solute - exp(-κ x)/ε_solvent, f² = r² + B_i B_j exp(-r²/(4 B_i B_j)), r_c = ∞ without a cutoff;
    1/B = 1/ρ - tanh(α ψ - β ψ² + γ ψ³)/R, ψ = ρ I, ρ = R - offset (`saturating`), or 1/B = 1/ρ - I with (1, 0, 0);
    I_i = Σ_j ½ (1/L - 1/U + ¼ (r - s_j²/r)(1/U² - 1/L²) + ln(L/U)/(2 r)), s = screen·ρ, U = r + s_j,
    L = max(ρ_i, |r - s_j|), where U > ρ_i; and with necks + neck_scale·m_ij/(1 + x² + 0.3 x⁶), x = (r - d_ij)/Å.

    charges (n,) e; radii R (n,) Å; screen (n,); shape (α, β, γ), or (n, 3); by default OBC2's
    neck       (kinds (n,), m (K, K) 1/Å, d (K, K) Å), the tables of GBn and GBn2; OpenMM's are imported
    offset Å; kappa κ 1/Å (salt); surface_tension γ eV/Å², 0 for none; cutoff Å, None for all pairs

    Bonded atoms count like all others. Raises LabkitError for radii below the offset and counts that differ.
    Sources: Hawkins et al., J. Phys. Chem. 100, 19824 (1996); Onufriev et al., Proteins 55, 383 (2004); Mongan et al.,
    J. Chem. Theory Comput. 3, 156 (2007); Nguyen et al., ibid. 9, 2020 (2013); the surface term: Schaefer et al., J.
    Mol. Biol. 284, 835 (1998).

    >>> from ase import Atoms
    >>> from labkit.base import State
    >>> ion = GeneralizedBorn([1.0], radii=[2.0], screen=[0.8], offset=0.0, surface_tension=0.0)
    >>> round(float(ion.evaluate(State.from_atoms(Atoms("Na"))).energy[0]), 3)  # Born's energy, -k_e (1 - 1/78.5)/4 Å
    -3.554
    """

    INDICES = ()
    BY_TYPES = ()
    VALUES = ("charges", "radii", "screen", "shape")
    SETTINGS = (
        "reach", "saturating", "offset", "neck_scale", "solute_dielectric", "solvent_dielectric", "kappa",
        "surface_tension",
    )  # fmt: skip
    probe: ClassVar[float] = 1.4  # Å, the radius of water
    neck_reach: ClassVar[float] = 6.8  # Å beyond two radii in contact
    kinds: Tensor
    depth: Tensor
    distance: Tensor

    def __init__(
        self,
        charges: Any,
        radii: Any,
        screen: Any,
        shape: Any = OBC2,
        neck: tuple[Any, Any, Any] | None = None,
        *,
        saturating: bool = True,
        offset: float = 0.09,
        neck_scale: float = 0.0,
        solute_dielectric: float = 1.0,
        solvent_dielectric: float = 78.5,
        kappa: float = 0.0,
        surface_tension: float = ACE,
        cutoff: float | None = None,
    ) -> None:
        super().__init__()
        self._set(
            charges=charges, radii=radii, screen=screen, shape=shape, reach=cutoff, saturating=saturating,
            offset=offset, neck_scale=neck_scale, solute_dielectric=solute_dielectric,
            solvent_dielectric=solvent_dielectric, kappa=kappa, surface_tension=surface_tension,
        )  # fmt: skip
        self._pairs_within(cutoff)
        self.register_buffer("exclusions", torch.zeros(0, 2, dtype=torch.int64))
        if self.shape.dim() == 1:
            self.shape = nn.Parameter(self.shape.expand(self.n_atoms, 3).clone(), requires_grad=False)
        self._set_neck(*(neck or ((), (), ())))
        self._check()

    def _set_neck(self, kinds: Any, depth: Any, distance: Any) -> None:
        self.register_buffer("kinds", torch.as_tensor(kinds, dtype=torch.int64))
        self.register_buffer("depth", torch.as_tensor(depth, dtype=self.radii.dtype))
        self.register_buffer("distance", torch.as_tensor(distance, dtype=self.radii.dtype))

    def _check(self) -> None:
        counts = {key: len(getattr(self, key)) for key in self.VALUES}
        if len(set(counts.values())) > 1:
            found = ", ".join(f"{count} {key}" for key, count in counts.items())
            raise LabkitError(f"GeneralizedBorn: {found}; give one of each for every atom")
        small = torch.nonzero(self.radii <= self.offset).flatten().tolist()
        if small:
            raise LabkitError(
                f"GeneralizedBorn: the radius of atom {small[0]} is {float(self.radii[small[0]]):g} Å, expected more "
                f"than the offset of {self.offset:g} Å"
            )
        if min(self.solute_dielectric, self.solvent_dielectric) <= 0 or self.kappa < 0:
            raise LabkitError(
                f"GeneralizedBorn: dielectrics {self.solute_dielectric:g} and {self.solvent_dielectric:g}, kappa "
                f"{self.kappa:g}/Å; expected positive dielectrics and kappa of 0 or more"
            )

    @property
    def necks(self) -> bool:
        """Whether there are tables of necks."""
        return len(self.kinds) > 0

    @classmethod
    def batch(cls, terms: Sequence[Self], starts: Sequence[int]) -> Self:
        term = super().batch(terms, starts)
        if len({t.necks for t in terms}) > 1:
            raise LabkitError("GeneralizedBorn: some systems of the batch have tables of necks and others have none")
        if terms[0].necks:
            kinds, (depth, distance) = join_tables([t.kinds for t in terms], [(t.depth, t.distance) for t in terms])
            term._set_neck(kinds, depth, distance)
        return term

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        (i, j, _), vectors = self.pairs(system, positions, cell, neighbours)
        r2 = vectors.square().sum(1)
        born = self._born_radii(i, j, r2.sqrt())
        own = -0.5 * COULOMB * self._tau(born) * self.charges.square() / born
        own = own + 4 * torch.pi * self.surface_tension * (self.radii + self.probe) ** 2 * (self.radii / born) ** 6
        product = born.index_select(0, i) * born.index_select(0, j)
        f = (r2 + product * torch.exp(-r2 / (4 * product))).sqrt()
        charge = self.charges.index_select(0, i) * self.charges.index_select(0, j)
        pairs = -COULOMB * self._tau(f) * charge * (1 / f - (0.0 if self.reach is None else 1 / self.reach))
        return system.sum_over_atoms(own) + self._sum(system, i, pairs)

    def born_radii(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        """Effective radii B (n,) in Å: how deep each atom is buried."""
        (i, j, _), vectors = self.pairs(system, positions, cell, neighbours)
        return self._born_radii(i, j, torch.linalg.vector_norm(vectors, dim=1))

    def _tau(self, distance: Tensor) -> Tensor:
        return 1 / self.solute_dielectric - torch.exp(-self.kappa * distance) / self.solvent_dielectric

    def _born_radii(self, i: Tensor, j: Tensor, r: Tensor) -> Tensor:
        rho = self.radii - self.offset
        to, by, r = torch.cat([i, j]), torch.cat([j, i]), torch.cat([r, r])
        inner, s = rho.index_select(0, to), (self.screen * rho).index_select(0, by)
        low = torch.maximum(inner, (r - s).abs())
        high = torch.where(r + s > inner, r + s, low)  # an empty range: all parts cancel
        integral = 0.5 * (
            1 / low - 1 / high + 0.25 * (r - s**2 / r) * (1 / high**2 - 1 / low**2) + 0.5 * torch.log(low / high) / r
        )
        if self.necks:
            pair = self.kinds.index_select(0, to), self.kinds.index_select(0, by)
            x = r - self.distance[pair]
            reach = self.radii.index_select(0, to) + self.radii.index_select(0, by) + self.neck_reach
            integral = integral + self.neck_scale * self.depth[pair] * (r < reach) / (1 + x**2 + 0.3 * x**6)
        psi = rho * torch.zeros_like(rho).index_add(0, to, integral)
        alpha, beta, gamma = self.shape.unbind(1)
        filled = psi * (alpha - psi * (beta - gamma * psi))
        return 1 / (1 / rho - (torch.tanh(filled) / self.radii if self.saturating else filled / rho))


@kernel_of(GeneralizedBorn)
def _kernel(term: GeneralizedBorn, real: type) -> CompiledBorn:
    from labkit.forcefield.fast.born import CompiledBorn

    return CompiledBorn([term])
