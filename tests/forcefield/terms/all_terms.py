"""Every term, for a chain of eight atoms: what the suites of terms, of OpenMM's forces and of kernels go through.

A new term is a line here; a test fails where one is missing.
"""

from __future__ import annotations

import ase
import numpy as np

from labkit.forcefield import (
    Cmap,
    Contacts,
    Coulomb,
    FlatBottom,
    GeneralizedBorn,
    GeometricLennardJones,
    HarmonicAngles,
    HarmonicBonds,
    HarmonicImpropers,
    LennardJones,
    Nbfix,
    Pairs14,
    Pme,
    Repulsion,
    RepulsionCG,
    Restraints,
    RyckaertBellemans,
    Torsions,
    UreyBradley,
)  # fmt: skip

random = np.random.default_rng(5)
N = 8
CHAIN = [[i, i + 1, i + 2, i + 3] for i in range(N - 3)]
BONDS = [[i, i + 1] for i in range(N - 1)]
CHARGES = random.normal(size=N)
CHARGES -= CHARGES.mean()
SIGMA, EPSILON = random.uniform(0.9, 1.4, N), np.r_[random.uniform(0.003, 0.01, N - 1), 0.0]
RADII, SCREEN, KINDS = random.uniform(0.9, 1.3, N), random.uniform(0.7, 1.2, N), [0, 1, 2, 1, 0, 2, 2, 1]
SYMMETRIC = np.array([[3.0, 1.0, 0.4], [1.0, 2.0, 0.0], [0.4, 0.0, 1.5]])
NECK = (KINDS, random.uniform(0.05, 0.3, (3, 3)), random.uniform(1.5, 3.0, (3, 3)))
TERMS = {
    "bonds": HarmonicBonds(BONDS, k=20.0, r0=1.3),
    "urey_bradley": UreyBradley([[0, 2], [3, 5]], k=2.0, r0=2.2),
    "angles": HarmonicAngles([row[:3] for row in CHAIN], k=3.0, theta0=1.9),
    "torsions": Torsions(CHAIN, n=[1, 2, 3, 2, 1], phase=[0, np.pi, 0.4, 1.0, 0], k=random.normal(size=N - 3)),
    "rb": RyckaertBellemans(CHAIN, c=random.normal(size=(N - 3, 6))),
    "impropers": HarmonicImpropers(CHAIN, k=1.5, phi0=[3.1, -3.1, 0.2, 1.0, -1.0]),
    "cmap": Cmap([[0, 1, 2, 3, 1, 2, 3, 4], [2, 3, 4, 5, 3, 4, 5, 6]], [1, 0], random.normal(size=(2, 12, 12))),
    "contacts": Contacts([[0, 3], [1, 4]], repulsive=[2.0, 1.0], attractive=[0.0, 0.3]),
    "pairs14": Pairs14([[0, 3], [1, 4]], charge_product=[0.1, -0.2], sigma=[1.2, 1.0], epsilon=[0.01, 0.02]),
    "lj": LennardJones(SIGMA, EPSILON, BONDS),
    "lj_cut": LennardJones(SIGMA, EPSILON, BONDS, cutoff=5.5, switch=3.0, long_range_correction=True),
    "coulomb": Coulomb(CHARGES, BONDS),
    "reaction_field": Coulomb(CHARGES, BONDS, cutoff=5.5, dielectric=78.5),
    "pme": Pme(CHARGES, BONDS, cutoff=5.0, tolerance=1e-5),
    "repulsion": Repulsion(SIGMA, EPSILON, BONDS, cutoff=5.5),
    "repulsion_cg": RepulsionCG(SIGMA, EPSILON, BONDS),
    "nbfix": Nbfix(KINDS, SYMMETRIC, 0.2 * SYMMETRIC.T @ SYMMETRIC, BONDS),
    "nbfix_cut": Nbfix(KINDS, SYMMETRIC, 0.1 * SYMMETRIC, BONDS, 5.5, switch=3.0, long_range_correction=True),
    "geometric": GeometricLennardJones.of(SIGMA, EPSILON, BONDS),
    "geometric_cut": GeometricLennardJones.of(SIGMA, EPSILON, BONDS, 5.5, switch=3.0, long_range_correction=True),
    "born_obc2": GeneralizedBorn(CHARGES, RADII, SCREEN),
    "born_necks": GeneralizedBorn(
        CHARGES,
        RADII,
        SCREEN,
        random.uniform(0.4, 0.9, (N, 3)),
        NECK,
        neck_scale=0.8,
        offset=0.2,
        kappa=0.1,
        cutoff=5.5,
    ),
    "born_hct": GeneralizedBorn(CHARGES, RADII, 0.4 * SCREEN, (1, 0, 0), saturating=False, surface_tension=0.0),
    "restraints": Restraints([[1], [4]], k=2.0, centres=random.normal(size=(2, 3))),
    "flat_bottom": FlatBottom([[1], [4]], k=2.0, centres=random.normal(size=(2, 3)), radius=[0.5, 1.0]),
}
CELL = np.array([[7.0, 0, 0], [1.5, 6.5, 0], [-1.0, 0.8, 7.2]])


def frame(seed: int, pbc: bool = True) -> ase.Atoms:
    """A crooked chain in a triclinic cell smaller than twice the cutoffs."""
    r = np.random.default_rng(seed)
    steps = 1.3 * np.array([1.0, 0, 0]) + 0.6 * r.normal(size=(N, 3))
    return ase.Atoms(f"C{N}", positions=np.cumsum(steps, 0), cell=CELL, pbc=pbc)
