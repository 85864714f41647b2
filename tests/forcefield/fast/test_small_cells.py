"""Cells smaller than the cutoff, of any shape: compiled pairs beside a sum over all images, or beside autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labkit.base import Potential, State, System
from labkit.forcefield import Coulomb, ForceField, GeneralizedBorn, LennardJones, Nbfix
from labkit.units import COULOMB

CELLS, LARGEST, NEAREST = 1000, 12, 0.9  # NEAREST Å: atoms nearer to one another, or to an image, are moved apart
DIELECTRIC = 20.0


def images(cell: np.ndarray, pbc: np.ndarray, reach: float) -> np.ndarray:
    """Vectors (K, 3) of all lattice points that may bring a pair of one cell within reach."""
    height = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    most = np.where(pbc, np.ceil(reach / height) + 1, 0).astype(int)
    counts = np.stack(np.meshgrid(*[np.arange(-m, m + 1) for m in most], indexing="ij"), -1).reshape(-1, 3)
    return counts @ cell


def wrapped(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Positions in the cell, whose distances are better known than those of atoms far outside."""
    return positions - np.floor(positions @ np.linalg.inv(cell)) * pbc @ cell


def separations(positions: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Vectors (n, n, K, 3) from atoms i to the images of atoms j."""
    return positions[None, :, None] - positions[:, None, None] + lattice


def small_cell(random: np.random.Generator, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(positions, cell, pbc): 1 to 12 atoms, some far outside, no two of them (or images) nearer than NEAREST."""
    while True:
        pbc = random.random(3) < 0.75
        cell = np.diag(random.uniform(1.8, 5.5, 3)) + random.choice([0, 1, 3]) * random.normal(size=(3, 3))
        if random.random() < 0.3:
            cell[1] += random.integers(-4, 5) * cell[0]  # the same lattice, described by a skewed cell
        cell = cell[random.permutation(3)] * random.choice([-1.0, 1.0], 3)[:, None]
        height = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
        if height.min() < 0.15 or abs(np.linalg.det(cell)) < 8 or np.prod(2 * np.ceil(cutoff / height) + 3) > 2000:
            continue
        lattice = images(cell, pbc, 3.0)
        if np.sort(np.linalg.norm(lattice, axis=1))[:2][-1] < NEAREST and pbc.any():
            continue
        placed: list[np.ndarray] = []
        for _ in range(random.integers(1, LARGEST + 1)):
            here = random.uniform(0, 1, 3) @ cell
            near = separations(np.array([*placed, here]), lattice)[:-1, -1]
            if not placed or np.linalg.norm(near, axis=-1).min() > NEAREST:
                placed.append(here)
        positions = np.array(placed)
        distant = random.choice([0, 1, 30, 20_000])
        positions += random.integers(-distant, distant + 1, positions.shape) * pbc @ cell
        return positions, cell, pbc


def brute_force(
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, sigma: np.ndarray, epsilon: np.ndarray,
    charges: np.ndarray, cutoff: float,
) -> tuple[float, np.ndarray, np.ndarray, float]:  # fmt: skip
    """Energy, forces, Σ f ⊗ r of Lennard-Jones and a reaction field, and how near a distance comes to the cutoff."""
    lattice = images(cell, pbc, cutoff)
    d = separations(wrapped(positions, cell, pbc), lattice)
    r2 = (d**2).sum(-1)
    itself = r2 < 1e-12
    gap = np.abs(np.sqrt(r2) - cutoff).min()
    r2 = np.where(itself | (r2 >= cutoff**2), np.inf, r2)
    s6 = (0.5 * (sigma[:, None] + sigma))[..., None] ** 6 / r2**3
    lj = 4 * np.sqrt(epsilon[:, None] * epsilon)[..., None]
    qq = COULOMB * (charges[:, None] * charges)[..., None]
    k_rf = (DIELECTRIC - 1) / (2 * DIELECTRIC + 1) / cutoff**3
    c_rf = 3 * DIELECTRIC / (2 * DIELECTRIC + 1) / cutoff
    counts = np.isfinite(r2)
    finite = np.where(counts, r2, 1.0)
    u = np.where(counts, lj * (s6**2 - s6) + qq * (finite**-0.5 + k_rf * finite - c_rf), 0.0)
    slope = np.where(counts, (lj * (12 * s6**2 - 6 * s6) + qq * (finite**-0.5 - 2 * k_rf * finite)) / finite, 0.0)
    pull = slope[..., None] * d  # force on the image of j
    return 0.5 * u.sum(), -pull.sum((1, 2)), 0.5 * np.einsum("ijka,ijkb->ab", pull, d), gap


def batch(cells: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> State:
    positions, boxes, pbc = zip(*cells, strict=True)
    index = torch.repeat_interleave(torch.arange(len(cells)), torch.tensor([len(p) for p in positions]))
    numbers, masses = torch.full((len(index),), 18), torch.full((len(index),), 40.0, dtype=torch.float64)
    where = torch.from_numpy(np.concatenate(positions))
    system = System(numbers, masses, index, torch.from_numpy(np.array(pbc)))
    return State(system, where, torch.from_numpy(np.array(boxes)), torch.zeros_like(where))


@pytest.mark.parametrize("cutoff", [2.9137, 6.1283, 11.0731])
def test_a_thousand_cells_beside_all_images(cutoff: float) -> None:
    """Energies, forces and virials of LJ and a reaction field, all cells in one call and each with its own images."""
    random = np.random.default_rng(int(cutoff))
    cells = [small_cell(random, cutoff) for _ in range(CELLS // 3 + 1)]
    state = batch(cells)
    n = state.system.n_atoms
    sigma, epsilon, charges = random.uniform(0.5, 1.2, n), random.uniform(0.001, 0.02, n), random.normal(size=n)
    terms = {
        "lj": LennardJones(sigma, epsilon, cutoff=cutoff),
        "rf": Coulomb(charges, cutoff=cutoff, dielectric=DIELECTRIC),
    }
    forcefield, energy = ForceField(terms, n), np.zeros(len(cells))
    forces, virial = np.zeros((n, 3)), np.zeros((len(cells), 3, 3))
    fast = forcefield._fast(state).start(state)
    for kernel in fast.kernels:
        kernel.add(state.positions.numpy(), state.cell.numpy(), energy, forces, virial)
    said = forcefield.evaluate(state)
    assert np.array_equal(said.energy.numpy(), energy) and np.array_equal(said.forces.numpy(), forces)
    for s, (positions, cell, pbc) in enumerate(cells):
        part = slice(state.system.offsets[s], state.system.offsets[s + 1])
        expected = brute_force(positions, cell, pbc, sigma[part], epsilon[part], charges[part], cutoff)
        if expected[3] < 1e-6:  # a pair that rounding may put on either side of the cutoff
            continue
        known = 1e-11 + 2e-14 * np.abs(positions).max()  # distances to an atom far outside are rounded
        for found, value in zip((energy[s], forces[part], virial[s]), expected[:3], strict=True):
            assert np.abs(found - value).max() < known, f"cell {s}: {cells[s]}"


def test_stress_of_small_cells() -> None:
    """What an evaluation makes of the virial, by numerical strain of a cell of three cutoffs."""
    random, cutoff = np.random.default_rng(0), 9.0413
    cells = [c for c in (small_cell(random, cutoff) for _ in range(60)) if c[2].all()]
    state = batch(cells)
    n = state.system.n_atoms
    values = random.uniform(0.5, 1.2, n), random.uniform(0.001, 0.02, n), random.normal(size=n)
    terms = {
        "lj": LennardJones(*values[:2], cutoff=cutoff, switch=6.0),
        "rf": Coulomb(values[2], cutoff=cutoff, dielectric=DIELECTRIC),
    }
    forcefield = ForceField(terms, n)
    found, expected = forcefield.evaluate(state, stress=True), Potential.evaluate(forcefield, state, stress=True)
    _same(found, expected, state)


def _same(found, expected, state: State) -> None:
    far = 1 + 1e-3 * float(state.positions.abs().max())
    for name in ("energy", "forces", "stress"):
        value = getattr(expected, name)
        if value is not None:
            scale = float(value.abs().max())
            torch.testing.assert_close(getattr(found, name), value, rtol=1e-9, atol=1e-11 * far * (1 + scale))


@pytest.mark.parametrize("cutoff", [3.1371, 8.0231])
@pytest.mark.parametrize("kind", ["born", "necks", "nbfix"])
def test_own_kernels_in_small_cells(kind: str, cutoff: float) -> None:
    """Implicit solvent and tables of kinds beside autograd; exclusions at the nearest image."""
    random = np.random.default_rng(7)
    cells = [small_cell(random, cutoff) for _ in range(40)]
    for wanted in (True, False):  # stress only where all are periodic
        chosen = [c for c in cells if c[2].all() == wanted]
        state = batch(chosen)
        n = state.system.n_atoms
        kinds, table = random.integers(0, 3, n), np.array([[3.0, 1.0, 0.4], [1.0, 2.0, 0.0], [0.4, 0.0, 1.5]])
        bonded = [[a, a + 1] for a, b in zip(state.system.offsets, state.system.offsets[1:]) if b - a > 1]
        if kind == "nbfix":
            term = Nbfix(kinds, table, 0.2 * table, bonded, cutoff, switch=0.7 * cutoff)
        else:
            neck = (kinds, table * 0.02, 1.0 + 0.2 * table) if kind == "necks" else None
            charges, radii = random.normal(size=n), random.uniform(1.0, 1.5, n)
            # little screening: in a crowd of images that overlap the radii would not be positive
            more = {"neck_scale": 0.1, "kappa": 0.1} if neck else {}
            term = GeneralizedBorn(charges, radii, random.uniform(0.2, 0.4, n), neck=neck, cutoff=cutoff, **more)
        forcefield = ForceField({kind: term}, n)
        found = forcefield.evaluate(state, stress=wanted)
        _same(found, Potential.evaluate(forcefield, state, stress=wanted), state)
