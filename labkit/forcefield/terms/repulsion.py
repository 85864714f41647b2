"""Purely repulsive pairs: of atoms (r^-12), and of coarse-grained beads (r^-6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from labkit.base import Neighbours, System
from labkit.errors import LabkitError
from labkit.forcefield.terms.openmm_values import cutoff_of, exclusions_of, formula, table, write_cutoff
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.forcefield.terms.registry import Named, reads, unknown, writes
from labkit.forcefield.terms.switching import root
from labkit.units import KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm


class Repulsion(PairTerm):
    """E = Σ 4 ε (σ/r)^p, p = 12, σ = (σ_i + σ_j)/2, ε = sqrt(ε_i ε_j); needs no other term.

    sigma (n,) Å; epsilon (n,) eV; exclusions (e, 2); cutoff Å, None for all pairs

    >>> Repulsion([4.0, 4.0], [0.004, 0.004]).power
    12
    """

    VALUES = ("sigma", "epsilon")
    power = 12

    def __init__(self, sigma: Any, epsilon: Any, exclusions: Any = (), cutoff: float | None = None) -> None:
        super().__init__()
        self._set(sigma=sigma, epsilon=epsilon, exclusions=exclusions, reach=cutoff)
        self._pairs_within(cutoff)
        if len(self.sigma) != len(self.epsilon):
            raise LabkitError(f"Repulsion: {len(self.sigma)} sigma and {len(self.epsilon)} epsilon; one per atom")

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        (i, j, _), vectors = self.pairs(system, positions, cell, neighbours)
        sigma = 0.5 * (self.sigma.index_select(0, i) + self.sigma.index_select(0, j))
        roots = root(self.epsilon)
        epsilon = roots.index_select(0, i) * roots.index_select(0, j)
        ratio = sigma.square() / vectors.square().sum(1)
        return self._sum(system, i, 4 * epsilon * ratio ** (self.power // 2))


class RepulsionCG(Repulsion):
    """E = Σ 4 ε (σ/r)^6: beads of a coarse-grained chain (Majewski et al., Nat. Commun. 14, 5739, 2023)."""

    power = 6


EXPRESSION = "4*sqrt(epsilon1*epsilon2)*(0.5*(sigma1+sigma2)/r)^{}"
NAMES = {Repulsion: "repulsion", RepulsionCG: "repulsion_cg"}


@reads("CustomNonbondedForce")
def _read(force: openmm.CustomNonbondedForce, system: openmm.System) -> Named:
    """Repulsion and RepulsionCG, in the form that labkit writes."""
    kind = next((kind for kind in NAMES if formula(force) == EXPRESSION.format(kind.power)), None)
    if kind is None:
        raise unknown(force)
    _, values = table([list(force.getParticleParameters(i)) for i in range(force.getNumParticles())], 0)
    sigma, epsilon = values.T
    yield NAMES[kind], kind(sigma * NANOMETRE, epsilon * KJ_PER_MOL, exclusions_of(force), cutoff_of(force))


@writes(Repulsion, RepulsionCG)
def _write(mm: Any, term: Repulsion, periodic: bool) -> openmm.CustomNonbondedForce:
    """A CustomNonbondedForce with σ and ε of each particle."""
    force = mm.CustomNonbondedForce(EXPRESSION.format(term.power))
    force.addPerParticleParameter("sigma")
    force.addPerParticleParameter("epsilon")
    for row in zip((term.sigma / NANOMETRE).tolist(), (term.epsilon / KJ_PER_MOL).tolist(), strict=True):
        force.addParticle(row)
    for i, j in term.exclusions.tolist():
        force.addExclusion(i, j)
    write_cutoff(force, term.reach, periodic)
    return force
