"""Lennard-Jones with geometric mixing, as in OPLS and GROMOS: A/r^12 - C/r^6 with a factor of each atom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from labkit.base import Neighbours, System
from labkit.errors import LabkitError
from labkit.forcefield.terms.openmm_values import formula, pair_settings, rows, table, write_pair_settings
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.forcefield.terms.registry import Named, kernel_of, reads, unknown, writes
from labkit.forcefield.terms.switching import beyond, check_switch, switching
from labkit.units import KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm

    from labkit.forcefield.fast.nbfix import CompiledNbfix

EXPRESSION = "A1*A2/r^12-C1*C2/r^6"  # of GromacsTopFile, with combination rules 1 and 3
A_UNIT, C_UNIT = KJ_PER_MOL**0.5 * NANOMETRE**6, KJ_PER_MOL**0.5 * NANOMETRE**3
MOST_KINDS = 256  # for which a table of pairs is made


class GeometricLennardJones(PairTerm):
    """E = Σ S(r) (A_i A_j / r^12 - C_i C_j / r^6): σ = sqrt(σ_i σ_j), ε = sqrt(ε_i ε_j); S as in LennardJones.

    repulsive A = 2 sqrt(ε) σ^6 (n,) eV^½ Å^6; attractive C = 2 sqrt(ε) σ^3 (n,) eV^½ Å^3; exclusions (e, 2)
    cutoff, switch in Å; `long_range_correction` as in LennardJones

    Raises LabkitError for counts that differ and a switch that is not below the cutoff.
    Source: Jorgensen, Maxwell and Tirado-Rives, J. Am. Chem. Soc. 118, 11225 (1996).

    >>> pair = GeometricLennardJones.of([4.0, 1.0], [0.01, 0.04])
    >>> round((pair.repulsive / pair.attractive).prod().item() ** (1 / 6), 9)  # σ = sqrt(4 Å · 1 Å)
    2.0
    """

    VALUES = ("repulsive", "attractive")
    SETTINGS = ("reach", "switch", "long_range_correction")

    def __init__(
        self,
        repulsive: Any,
        attractive: Any,
        exclusions: Any = (),
        cutoff: float | None = None,
        switch: float | None = None,
        long_range_correction: bool = False,
    ) -> None:
        super().__init__()
        self._set(
            repulsive=repulsive, attractive=attractive, exclusions=exclusions, reach=cutoff, switch=switch,
            long_range_correction=long_range_correction,
        )  # fmt: skip
        self._pairs_within(cutoff)
        if len(self.repulsive) != len(self.attractive):
            counts = f"{len(self.repulsive)} repulsive and {len(self.attractive)} attractive"
            raise LabkitError(f"GeometricLennardJones: {counts}; one per atom")
        check_switch("GeometricLennardJones", switch, cutoff, long_range_correction)

    @classmethod
    def of(cls, sigma: Any, epsilon: Any, *args: Any, **settings: Any) -> GeometricLennardJones:
        """From σ (n,) Å and ε (n,) eV of the atoms."""
        sigma, epsilon = (torch.as_tensor(values, dtype=torch.float64) for values in (sigma, epsilon))
        root = 2 * epsilon.sqrt()
        return cls(root * sigma**6, root * sigma**3, *args, **settings)

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        (i, j, _), vectors = self.pairs(system, positions, cell, neighbours)
        r2 = vectors.square().sum(1)
        a, c = (v.index_select(0, i) * v.index_select(0, j) for v in (self.repulsive, self.attractive))
        inv6 = r2**-3
        u = (a * inv6 - c) * inv6
        if self.switch is not None:
            u = u * switching(r2.sqrt(), self.switch, self.reach)
        energy, rest = self._sum(system, i, u), self.rest(system, positions, cell)
        return energy if rest is None else energy + rest

    def rest(self, system: System, positions: Tensor, cell: Tensor) -> Tensor | None:
        """The long-range correction, or None."""
        if not self.long_range_correction:
            return None
        kinds, a, c = self.tables()
        count = a.new_zeros(system.n_systems, len(a)).index_put((system.index, kinds), a.new_ones(()), accumulate=True)
        return beyond(a, c, count, self.switch, self.reach) / torch.linalg.det(cell).abs()

    def tables(self) -> tuple[Tensor, Tensor, Tensor]:
        """Kinds (n,) of atoms with the same parameters, and A_k A_l and C_k C_l (K, K) of their pairs."""
        both = torch.stack([self.repulsive, self.attractive], 1).detach()
        kinds, which = torch.unique(both, dim=0, return_inverse=True)
        atoms = torch.arange(len(which), device=which.device)
        first = torch.full_like(atoms[: len(kinds)], len(which)).scatter_reduce(0, which, atoms, "amin")
        a, c = self.repulsive[first], self.attractive[first]
        return which, torch.outer(a, a), torch.outer(c, c)


@reads("CustomNonbondedForce")
def _read(force: openmm.CustomNonbondedForce, system: openmm.System) -> Named:
    names = [force.getPerParticleParameterName(p) for p in range(force.getNumPerParticleParameters())]
    if formula(force) != EXPRESSION or sorted(names) != ["A", "C"] or force.getNumInteractionGroups():
        raise unknown(force)
    _, values = table([list(force.getParticleParameters(i)) for i in range(force.getNumParticles())], 0)
    column = dict(zip(names, values.T, strict=True))
    term = GeometricLennardJones(column["A"] * A_UNIT, column["C"] * C_UNIT, *pair_settings(force))
    yield "lennard_jones", term


@writes(GeometricLennardJones)
def _write(mm: Any, term: GeometricLennardJones, periodic: bool) -> openmm.CustomNonbondedForce:
    force = mm.CustomNonbondedForce(EXPRESSION)
    force.addPerParticleParameter("C")
    force.addPerParticleParameter("A")
    for row in rows(term.attractive / C_UNIT, term.repulsive / A_UNIT):
        force.addParticle(row)
    write_pair_settings(force, term, periodic)
    return force


@kernel_of(GeometricLennardJones)
def _kernel(term: GeometricLennardJones, real: type) -> CompiledNbfix | None:
    from labkit.forcefield.fast.nbfix import CompiledNbfix

    return CompiledNbfix([term]) if len(term.tables()[1]) <= MOST_KINDS else None
