"""The nearest image in any cell, beside a search through all images; cells that are none are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import Potential, State, System, find_neighbours
from labkit.base.lattice import lattices_of
from labkit.base.nearest_image import nearest, nearest_images
from labkit.errors import LabkitError

ALL = np.ones((1, 3), dtype=bool)


def any_cell(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(cell, pbc) of any shape and handedness, often another description of its lattice, periodic along some."""
    while True:
        cell = np.diag(random.uniform(1, 8, 3)) + random.choice([0, 1, 3]) * random.normal(size=(3, 3))
        if abs(np.linalg.det(cell)) > 4:
            break
    pbc = random.random(3) < 0.75
    for _ in range(random.integers(0, 5)):
        i, j = random.permutation(3)[:2]
        if pbc[i] and pbc[j]:
            cell[i] += random.integers(-6, 7) * cell[j]
    return cell, pbc


def shortest(vectors: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Lengths (m,) of the shortest of all images that are as near as the vectors wrapped into the cell."""
    periodic = np.where(pbc[:, None], cell, 0.0)
    inverse = np.linalg.pinv(periodic)
    away = vectors - np.floor(vectors @ inverse) @ periodic
    reach = np.linalg.norm(away, axis=1)
    found = np.full(len(vectors), np.inf)
    for k, (v, r) in enumerate(zip(away, reach, strict=True)):
        # |n_k + f_k| <= r |inverse_k|
        most = np.ceil(r * np.linalg.norm(inverse, axis=0)).astype(int) + 1
        grid = np.stack(np.meshgrid(*[np.arange(-m, m + 1) for m in most * pbc], indexing="ij"), -1).reshape(-1, 3)
        found[k] = np.linalg.norm(v + grid @ periodic, axis=1).min()
    return found


def small_enough(cell: np.ndarray, pbc: np.ndarray) -> bool:
    """Whether the search above is one of no more than some ten thousand images."""
    inverse = np.linalg.pinv(np.where(pbc[:, None], cell, 0.0))
    return np.prod(1 + 2 * np.abs(cell).sum() * np.linalg.norm(inverse, axis=0)) < 1e5


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from([0, 3, 10**5]))
def test_no_image_is_nearer(seed: int, distant: int) -> None:
    random = np.random.default_rng(seed)
    cells = [any_cell(random) for _ in range(8)]
    cells = [c for c in cells if small_enough(*c)] or [(np.eye(3), np.ones(3, bool))]
    cell, pbc = (np.array(part) for part in zip(*cells, strict=True))
    index = random.integers(0, len(cells), 40)
    there = np.einsum("nk,nkl->nl", random.uniform(-1, 1, (40, 3)), cell[index])
    vectors = there + np.einsum("nk,nkl->nl", random.integers(-distant, distant + 1, (40, 3)) * pbc[index], cell[index])
    images = nearest_images(*map(torch.from_numpy, (vectors, cell, pbc, index))).numpy()
    assert np.all(images == np.round(images)) and not images[~pbc[index]].any()
    found = np.linalg.norm(vectors + np.einsum("nk,nkl->nl", images, cell[index]), axis=1)
    for s in range(len(cells)):
        expected = shortest(there[index == s], cell[s], pbc[s])
        assert np.all(np.abs(found[index == s] - expected) < 1e-9 * (1 + np.abs(vectors).max()))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_reduced_cells_are_the_same_lattice(seed: int) -> None:
    random = np.random.default_rng(seed)
    cell, pbc = any_cell(random)
    found = lattices_of(cell[None], pbc[None])
    numbers = found.numbers[0][np.ix_(pbc, pbc)]
    assert abs(np.linalg.det(numbers)) == pytest.approx(1.0) or not pbc.any()
    assert not found.rows[0][~pbc].any()
    np.testing.assert_allclose(found.rows[0][pbc], numbers @ cell[pbc], atol=1e-9)
    np.testing.assert_allclose(found.faces[0], found.face_numbers[0] @ cell, atol=1e-9)
    short, square = found.rows[0] @ found.rows[0].T, (found.rows[0] ** 2).sum(1)
    assert np.all(2 * np.abs(short - np.diag(square)) <= square[:, None] * (1 + 1e-6) + 1e-9)


def test_gradients_are_those_of_the_image() -> None:
    cell = torch.tensor([[[4.0, 0, 0], [11.0, 4, 0], [1, 2, 5]]], dtype=torch.float64, requires_grad=True)
    vectors = torch.tensor(np.random.default_rng(0).normal(size=(9, 3)) * 5, requires_grad=True)
    index, pbc = torch.zeros(9, dtype=torch.int64), torch.ones(1, 3, dtype=torch.bool)
    assert torch.autograd.gradcheck(lambda v, c: nearest(v, c, pbc, index).square().sum(1), (vectors, cell))


def test_kernel_and_torch_agree() -> None:
    kernels = pytest.importorskip("labkit.forcefield.fast.kernels.nearest")
    random = np.random.default_rng(0)
    cells = [any_cell(random) for _ in range(200)]
    cell, pbc = (np.array(part) for part in zip(*cells, strict=True))
    index = np.repeat(np.arange(200), 12)
    pairs = np.stack([12 * random.integers(0, 200, 3000) + random.integers(0, 12, 3000) for _ in "ij"], 1)
    pairs[:, 1] = pairs[:, 0] // 12 * 12 + pairs[:, 1] % 12
    x = np.einsum("nk,nkl->nl", random.uniform(-3, 3, (2400, 3)), cell[index])
    images, apart = kernels.pair_images(pairs, x, index, lattices_of(cell, pbc).arrays())
    v = torch.from_numpy(x[pairs[:, 1]] - x[pairs[:, 0]])
    others = torch.from_numpy(cell), torch.from_numpy(pbc), torch.from_numpy(index[pairs[:, 0]])
    np.testing.assert_array_equal(images, nearest_images(v, *others).numpy())
    np.testing.assert_allclose(apart, nearest(v, *others).norm(dim=1).numpy(), atol=1e-10)


def test_what_is_not_finite_ends() -> None:
    vectors = torch.tensor([[np.nan, 0, 0], [np.inf, 1, 2], [1e300, 0, 1]], dtype=torch.float64)
    cell = torch.tensor([[[4.0, 0, 0], [1, 4, 0], [1, 2, 5]]], dtype=torch.float64)
    found = nearest(vectors, cell, torch.from_numpy(ALL), torch.zeros(3, dtype=torch.int64))
    assert not bool(torch.isfinite(found[:2]).all(1).any())


class SquaredDistances(Potential):
    """The sum of r² over pairs that are near."""

    cutoff = 3.0

    def energy(self, system, positions, cell, neighbours):
        near, vectors = neighbours.within(self.cutoff, positions, cell)
        return positions.new_zeros(system.n_systems).index_add(0, near.index, vectors.square().sum(1))


@pytest.mark.parametrize(
    ("cell", "pbc", "said"),
    [
        (
            np.zeros((3, 3)),
            [True] * 3,
            "frame 1: periodic along lattice vector a, but that vector is zero; set the cell",
        ),
        (
            np.diag([3.0, 0, 4]),
            [False, True, True],
            "frame 1: periodic along lattice vector b, but that vector is zero",
        ),
        ([[3, 0, 0], [6, 0, 0], [0, 0, 4]], [True] * 3, "frame 1: the cell is periodic but has no volume: .*; set the"),
        ([[3, 0, 0], [0, 3, 0], [3, 3, 0]], [True] * 3, "frame 1: the cell is periodic but has no volume"),
        (np.full((3, 3), np.nan), [True] * 3, "frame 1: the cell .* is not finite; set it"),
    ],
)
def test_cells_that_are_none(cell, pbc, said) -> None:
    """Of a state that is made by hand: in searches, energies and stresses."""
    system = System(
        torch.full((4,), 18), torch.full((4,), 40.0), torch.tensor([0, 0, 1, 1]), torch.tensor([[True] * 3, pbc])
    )
    x = torch.tensor([[0.0, 0, 0], [1, 1, 1]] * 2, dtype=torch.float64)
    cells = torch.stack([4 * torch.eye(3).double(), torch.as_tensor(np.array(cell, float))])
    state = State(system, x, cells, torch.zeros_like(x))
    for ask in (
        lambda: find_neighbours(system, x, cells, 3.0),
        lambda: SquaredDistances().evaluate(state),
        lambda: SquaredDistances().evaluate(state, stress=all(pbc)),
    ):
        with pytest.raises(LabkitError, match=said):
            ask()


def test_open_directions_may_have_any_vector() -> None:
    """Zero, or in the plane of the others: it means nothing."""
    x = torch.tensor(np.random.default_rng(0).uniform(0, 4, (12, 3)))
    system = System(
        torch.full((12,), 18), torch.full((12,), 40.0), torch.zeros(12).long(), torch.tensor([[True, True, False]])
    )
    counts = []
    for third in ([0, 0, 9.0], [0, 0, 0], [4.0, 0, 0], [1, 1, 1e-9]):
        cell = torch.tensor([[[4.0, 0, 0], [1.0, 4.0, 0], third]], dtype=torch.float64)
        near = find_neighbours(system, x, cell, 3.5)
        counts.append(near.vectors(x, cell).norm(dim=1).sort().values)
    for other in counts[1:]:
        torch.testing.assert_close(counts[0], other)


@pytest.mark.parametrize("cell", [torch.eye(3), torch.eye(3)[None, :2], torch.eye(3).expand(2, 3, 3)])
def test_a_cell_of_another_shape(cell) -> None:
    system = System(torch.tensor([18]), torch.ones(1), torch.zeros(1).long(), torch.ones(1, 3, dtype=torch.bool))
    with pytest.raises(
        LabkitError, match=r"the state's cell are \(.*\); expected \(1, 3, 3\), as its system has 1 atoms"
    ):
        State(system, torch.zeros(1, 3), cell, torch.zeros(1, 3))
