"""Images of pairs: energies belong to the lattice, not to the cell that describes it, nor to the images of atoms.

Bonded terms, exclusions and pairs without a cutoff see the nearest image, however skewed or small the cell is.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labkit.base import Potential, State, System
from labkit.forcefield import (
    Coulomb,
    ForceField,
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
    RyckaertBellemans,
    Torsions,
)
from labkit.units import COULOMB

N = 6
BONDS = [[i, i + 1] for i in range(N - 1)] + [[0, 2], [1, 3], [2, 0]]
ROWS = [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]]
random = np.random.default_rng(1)
SIGMA, EPSILON, CHARGES = random.uniform(0.5, 1.0, N), random.uniform(0.001, 0.02, N), random.normal(size=N)
TABLE = np.array([[3.0, 1.0], [1.0, 2.0]]) * 1e-2
KINDS = np.arange(N) % 2
CUTOFF = 5.1317
BONDED = {
    "bonds": HarmonicBonds(BONDS, 2.0, 1.0, periodic=True),
    "angles": HarmonicAngles([row[:3] for row in ROWS], 2.0, 1.9, periodic=True),
    "torsions": Torsions(ROWS, 3, 0.4, 0.1, periodic=True),
    "rb": RyckaertBellemans(ROWS, random.normal(size=(3, 6)), periodic=True),
    "impropers": HarmonicImpropers(ROWS, 1.0, 0.3, periodic=True),
    "pairs14": Pairs14(BONDS, 0.1, 1.0, 0.01, periodic=True),
}
NEAR = {
    "lj": LennardJones(SIGMA, EPSILON, BONDS, CUTOFF),
    "rf": Coulomb(CHARGES, BONDS, CUTOFF, dielectric=20.0),
    "pme": Pme(CHARGES, BONDS, CUTOFF, alpha=0.7, mesh_spacing=0.5, nodes=7),
    "nbfix": Nbfix(KINDS, TABLE, TABLE, BONDS, CUTOFF),
    "geometric": GeometricLennardJones.of(SIGMA, EPSILON, BONDS, CUTOFF),
    "repulsion": Repulsion(SIGMA, EPSILON, BONDS, CUTOFF),
    "born": GeneralizedBorn(CHARGES, np.full(N, 1.3), np.full(N, 0.3), cutoff=CUTOFF),
}
WITHOUT = {
    "all lj": LennardJones(SIGMA, EPSILON, BONDS),
    "all coulomb": Coulomb(CHARGES, BONDS),
    "all nbfix": Nbfix(KINDS, TABLE, TABLE, BONDS),
    "all geometric": GeometricLennardJones.of(SIGMA, EPSILON, BONDS),
    "all repulsion": Repulsion(SIGMA, EPSILON, BONDS),
    "all born": GeneralizedBorn(CHARGES, np.full(N, 1.3), np.full(N, 0.3)),
}
TERMS = {**BONDED, **NEAR, **WITHOUT}


def lattices(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells (S, 3, 3), other descriptions of the same lattices (S, 3, 3), positions (S, N, 3)."""
    rng, cells, others, places = np.random.default_rng(seed), [], [], []
    while len(cells) < count:
        cell = np.diag(rng.uniform(3, 7, 3)) + rng.choice([0, 1]) * rng.normal(size=(3, 3))
        x = rng.uniform(0, 1, (N, 3)) @ cell
        grid = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3), -1).reshape(-1, 3) @ cell
        apart = np.linalg.norm(x[None, :, None] - x[:, None, None] + grid, axis=-1)
        if abs(np.linalg.det(cell)) < 60 or np.sort(apart.ravel())[N] < 0.8:
            continue
        other = cell.copy()
        for _ in range(3):
            i, j = rng.permutation(3)[:2]
            other[i] += rng.integers(-3, 4) * other[j]
        cells.append(cell)
        others.append(other[rng.permutation(3)] * rng.choice([-1, 1], 3)[:, None])
        places.append(x)
    return np.array(cells), np.array(others), np.array(places)


def state(positions: np.ndarray, cells: np.ndarray, pbc: bool = True) -> State:
    count = len(cells)
    index = torch.repeat_interleave(torch.arange(count), N)
    system = System(
        torch.full((count * N,), 18), torch.full((count * N,), 40.0).double(), index, torch.full((count, 3), pbc)
    )
    where = torch.from_numpy(np.ascontiguousarray(positions.reshape(-1, 3)))
    return State(system, where, torch.from_numpy(cells), torch.zeros_like(where))


@pytest.mark.parametrize("compiled", [True, False], ids=["kernels", "autograd"])
@pytest.mark.parametrize("name", TERMS)
def test_energies_are_those_of_the_lattice(name: str, compiled: bool) -> None:
    """Of lattices, each with another cell, and each atom at some other image."""
    count = 6 if name == "pme" else 40
    cells, others, x = lattices(count, seed=4)
    moved = x + np.random.default_rng(0).integers(-3, 4, x.shape) @ cells
    forcefield = ForceField({name: TERMS[name]}, N).repeat(count)
    evaluate = forcefield.evaluate if compiled else lambda s, **k: Potential.evaluate(forcefield, s, **k)
    first = evaluate(state(x, cells), stress=True)
    tolerance = {"rtol": 1e-4, "atol": 2e-4} if name == "pme" else {"rtol": 1e-8, "atol": 1e-9}  # another mesh
    for where, box in ((x, others), (moved, cells), (moved, others)):
        found = evaluate(state(where, box), stress=True)
        for part in ("energy", "forces", "stress"):
            torch.testing.assert_close(getattr(found, part), getattr(first, part), **tolerance)


def test_kernels_and_autograd_agree() -> None:
    cells, others, x = lattices(8, seed=5)
    here = state(x, others)
    forcefield = ForceField(TERMS, N).repeat(8)
    found, expected = forcefield.evaluate(here, stress=True), Potential.evaluate(forcefield, here, stress=True)
    for part in ("energy", "forces", "stress"):
        torch.testing.assert_close(getattr(found, part), getattr(expected, part), rtol=1e-8, atol=1e-8)


def shortest(vectors: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """The shortest of many images (..., 3)."""
    grid = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3), -1).reshape(-1, 3) @ cell
    images = vectors[..., None, :] + grid
    best = np.linalg.norm(images, axis=-1).argmin(-1)
    return np.take_along_axis(images, best[..., None, None], -2)[..., 0, :]


@pytest.mark.parametrize("name", ["all lj", "all coulomb", "lj", "rf"])
def test_pairs_and_exclusions_beside_a_search(name: str) -> None:
    """Without a cutoff each pair once at its nearest image; with one all images, less the excluded ones."""
    cells, others, x = lattices(30, seed=6)
    forcefield = ForceField({name: TERMS[name]}, N).repeat(30)
    found = forcefield.evaluate(state(x, others))
    excluded = {tuple(sorted(row)) for row in BONDS}
    i, j = (part.ravel() for part in np.mgrid[:N, :N])
    sigma2, depth, qq = (
        (0.5 * (SIGMA[i] + SIGMA[j])) ** 2,
        4 * np.sqrt(EPSILON[i] * EPSILON[j]),
        CHARGES[i] * CHARGES[j],
    )
    k_rf, c_rf = 19 / 41 / CUTOFF**3, 60 / 41 / CUTOFF

    def u(r: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Energies of pairs at distances r."""
        near = np.where(r > 1e-6, r, 1.0)
        s6 = (sigma2[which] / near**2) ** 3
        lj, q = depth[which] * (s6**2 - s6), COULOMB * qq[which] / near
        value = lj if "lj" in name else q if name.startswith("all") else q + COULOMB * qq[which] * (k_rf * r**2 - c_rf)
        return np.where((r > 1e-6) & (name.startswith("all") | (r < CUTOFF)), value, 0.0)

    out = np.array([tuple(sorted(row)) in excluded for row in zip(i.tolist(), j.tolist(), strict=True)])
    for s, cell in enumerate(cells):
        d = x[s][j] - x[s][i]
        nearest = np.linalg.norm(shortest(d, cell), axis=1)
        if name.startswith("all"):
            expected = u(nearest, np.arange(N * N))[(i < j) & ~out].sum()
        else:
            grid = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3), -1).reshape(-1, 3) @ cell
            r = np.linalg.norm(d[:, None] + grid, axis=-1)
            every = sum(u(column, np.arange(N * N)).sum() for column in r.T)
            expected = 0.5 * (every - u(nearest, np.arange(N * N))[out].sum())
        assert float(found.energy[s]) == pytest.approx(expected, rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("name", WITHOUT)
def test_without_a_cutoff_open_systems_have_no_images(name: str) -> None:
    """Nor does a batch in which another system is periodic give them any."""
    cells, _, x = lattices(2, seed=7)
    alone = ForceField({name: TERMS[name]}, N).evaluate(state(x[:1], 0 * cells[:1], pbc=False))
    both = state(x, cells)
    system = System(both.system.numbers, both.system.masses, both.system.index, torch.tensor([[False] * 3, [True] * 3]))
    found = (
        ForceField({name: TERMS[name]}, N).repeat(2).evaluate(State(system, both.positions, both.cell, both.velocities))
    )
    torch.testing.assert_close(found.energy[0], alone.energy[0], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found.forces[:N], alone.forces, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", [*NEAR, *WITHOUT])
@pytest.mark.parametrize("compiled", [True, False], ids=["kernels", "autograd"])
def test_exclusions_follow_the_nearest_image(name: str, compiled: bool) -> None:
    """Within what a list lasts an excluded pair passes the middle between two images: no list remembers the old one."""
    count = 2 if name == "pme" else 8
    cells, _, x = lattices(count, seed=8)
    forcefield = ForceField({name: TERMS[name]}, N).repeat(count)
    first, step = state(x, cells), np.random.default_rng(0).normal(size=x.shape) * 0.04
    for k in range(12):
        here = first.replace(positions=first.positions + k * torch.from_numpy(step.reshape(-1, 3)))
        fresh = ForceField({name: TERMS[name]}, N).repeat(count)
        if compiled:
            found, expected = forcefield.evaluate(here), fresh.evaluate(here)
        else:
            found, expected = Potential.evaluate(forcefield, here), Potential.evaluate(fresh, here)
        torch.testing.assert_close(found.energy, expected.energy, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(found.forces, expected.forces, rtol=1e-8, atol=1e-9)
