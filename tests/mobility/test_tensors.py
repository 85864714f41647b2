"""Mobility tensors against closed forms, against their defining integrals and sums, and positive everywhere."""

import math

import mpmath
import numpy as np
import pytest
import torch
from ase import Atoms
from scipy.spatial.transform import Rotation

from labkit.base import State
from labkit.errors import LabkitError
from labkit.mobility import (
    Oseen,
    PeriodicRotnePragerYamakawa,
    RotnePragerYamakawa,
    WallRotnePragerYamakawa,
    divergence,
)
from labkit.units import MILLIPASCAL_SECOND

A, ETA = 10.0, 0.89 * MILLIPASCAL_SECOND
FREE = 1 / (6 * math.pi * ETA * A)
EYE = torch.eye(3, dtype=torch.float64)
BOX = 80.0 * EYE[None]
SKEWED = torch.tensor([[[80.0, 0, 0], [20.0, 75.0, 0], [-15.0, 10.0, 90.0]]], dtype=torch.float64)


def scattered(systems: int, n: int, side: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return side * torch.rand(systems, n, 3, generator=generator, dtype=torch.float64)


def above(systems: int, n: int, side: float, seed: int = 0) -> torch.Tensor:
    x = scattered(systems, n, side, seed)
    return x + torch.tensor([0.0, 0.0, A])


@pytest.mark.parametrize("r", [1.5 * A, 2 * A, 5 * A, 10 * A])
def test_two_particles_against_closed_forms(r: float) -> None:
    """Velocities along and across the line of centres, of the one that is pushed and of the other."""
    x = torch.tensor([[[1.0, 2.0, 3.0], [1.0, 2.0, 3.0 + r]]], dtype=torch.float64)
    along, across = torch.zeros(2, 1, 2, 3, dtype=torch.float64)
    along[0, 0, 2] = across[0, 0, 0] = 1.0
    q = A / r
    forms = {Oseen: (1.5 * q, 0.75 * q), RotnePragerYamakawa: (1.5 * q - q**3, 0.75 * q + 0.5 * q**3)}
    if r < 2 * A:
        forms[RotnePragerYamakawa] = (1 - 3 / 16 / q, 1 - 9 / 32 / q)
    for kind, (parallel, perpendicular) in forms.items():
        m = kind(A, ETA)
        assert m.product(x, along)[0, :, 2].tolist() == pytest.approx([FREE, FREE * parallel], rel=1e-12)
        assert m.product(x, across)[0, :, 0].tolist() == pytest.approx([FREE, FREE * perpendicular], rel=1e-12)


@pytest.mark.parametrize("gap", [12.0, 9.0, 2.0, 0.5])
def test_unequal_spheres_are_surface_averages_of_oseens_tensor(gap: float) -> None:
    """M_ij is Oseen's tensor averaged over both surfaces, for spheres apart, overlapping and one within the other."""
    a, b = 6.0, 4.0
    x = torch.tensor([[[0.0, 0.0, 0.0], [0.3, -0.2, gap]]], dtype=torch.float64)
    found = RotnePragerYamakawa(torch.tensor([a, b]), 1.0).matrix(x)[0, :3, 3:]
    generator = torch.Generator().manual_seed(1)
    n = 200_000  # Monte Carlo: the velocity field of one sphere's surface is regular on the other's
    points = torch.randn(2, n, 3, generator=generator, dtype=torch.float64)
    points = points / points.norm(dim=2, keepdim=True) * torch.tensor([a, b])[:, None, None]
    d = x[0, 0] + points[0] - x[0, 1] - points[1]
    r = d.norm(dim=1)
    tensor = (EYE / r[:, None, None] + d[:, :, None] * d[:, None, :] / r[:, None, None] ** 3) / (8 * math.pi)
    error = tensor.std(0) / math.sqrt(n)
    assert bool(((tensor.mean(0) - found).abs() < 4.5 * error + 1e-12).all())
    assert float(error.max()) < 6e-3 * float(found.abs().max())


def test_lorentz_correction_is_the_limit_of_the_tensor_near_a_wall() -> None:
    """Far from the wall 1 - 9/16 a/h along and 1 - 9/8 a/h across; a pair far from it is a free one."""
    m = WallRotnePragerYamakawa(A, ETA)
    for h in (20.0, 50.0, 1e4):
        own = m.matrix(torch.tensor([[[3.0, 4.0, h]]], dtype=torch.float64))[0] / FREE
        x = A / h
        assert float(own[0, 0]) == pytest.approx(1 - 9 / 16 * x + x**3 / 8 - x**5 / 16, rel=1e-12)
        assert float(own[2, 2]) == pytest.approx(1 - 9 / 8 * x + x**3 / 2 - x**5 / 8, rel=1e-12)
        assert float((own - own.diagonal().diag()).abs().max()) < 1e-14
    pair = scattered(1, 2, 30.0) + torch.tensor([0.0, 0.0, 1e7])
    assert torch.allclose(m.matrix(pair), RotnePragerYamakawa(A, ETA).matrix(pair), rtol=1e-4)


def blake(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Blake's image system of point forces at y (..., 3), times 8πη, as he writes it."""
    flip = torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    h, d = y[..., 2, None, None], x - y * flip
    r, n, z = d.norm(dim=-1)[..., None, None], EYE[2], d[..., 2, None, None]
    column, row = d[..., :, None], d[..., None, :]
    gradient = h * (EYE / r**3 - 3 * column * row / r**5) + n[:, None] * row / r**3
    gradient = gradient - (EYE * z + column * n) / r**3 + 3 * column * row * z / r**5
    return -(EYE / r + column * row / r**3) + 2 * h * gradient * flip


def test_near_a_wall_against_blakes_tensor() -> None:
    """The average of Blake's tensor over both surfaces, by quadrature; and no slip at the wall."""
    z, w = np.polynomial.legendre.leggauss(8)
    angle = 2 * np.pi * np.arange(16) / 16
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1)
    points = np.sqrt(1 - z**2)[:, None, None] * ring + z[:, None, None] * np.array([0, 0, 1.0])
    points, w = torch.tensor(A * points.reshape(-1, 3)), torch.tensor(np.repeat(w, 16) / 32)
    m, free = WallRotnePragerYamakawa(A, ETA), RotnePragerYamakawa(A, ETA)
    x = above(1, 3, 40.0, seed=2)
    blocks = (m.matrix(x) - free.matrix(x)).view(3, 3, 3, 3).transpose(1, 2) * 8 * math.pi * ETA
    for i, j in ((0, 1), (2, 0), (1, 1)):
        image = blake((x[0, i] + points)[:, None], (x[0, j] + points)[None])
        expected = torch.einsum("p,q,pqab->ab", w, w, image)
        assert torch.allclose(blocks[i, j], expected, rtol=1e-7, atol=1e-9)
    on_wall, source = torch.tensor([4.0, -7.0, 0.0]).double(), torch.tensor([1.0, 2.0, 6.0]).double()
    d = on_wall - source
    point = EYE / d.norm() + torch.outer(d, d) / d.norm() ** 3
    assert float((point + blake(on_wall, source)).abs().max()) < 1e-14


def brenner(ratio: float) -> float:
    """M_zz of a hard sphere at height h = ratio a, exact (Chem. Eng. Sci. 16, 242, 1961)."""
    angle, total = math.acosh(ratio), 0.0
    for n in range(1, 60):
        above = 2 * math.sinh((2 * n + 1) * angle) + (2 * n + 1) * math.sinh(2 * angle)
        below = 4 * math.sinh((n + 0.5) * angle) ** 2 - ((2 * n + 1) * math.sinh(angle)) ** 2
        total += n * (n + 1) / ((2 * n - 1) * (2 * n + 3)) * (above / below - 1)
    return 3 / (4 * math.sinh(angle) * total)


@pytest.mark.parametrize(("ratio", "excess"), [(5.0, 0.001), (3.0, 0.009), (2.0, 0.054), (1.5, 0.223)])
def test_how_far_a_sphere_near_a_wall_is_from_brenners_exact_one(ratio: float, excess: float) -> None:
    x = torch.tensor([[[0.0, 0.0, ratio * A]]], dtype=torch.float64)
    found = float(WallRotnePragerYamakawa(A, ETA).matrix(x)[0, 2, 2]) / FREE
    assert found / brenner(ratio) - 1 == pytest.approx(excess, abs=0.001)


def test_below_contact_the_mobility_near_a_wall_goes_to_zero() -> None:
    m = WallRotnePragerYamakawa(A, ETA)
    heights = torch.tensor([A + 1e-9, A - 1e-9, 0.5 * A, 1e-6], dtype=torch.float64)
    x = torch.zeros(4, 1, 3, dtype=torch.float64)
    x[:, 0, 2] = heights
    normal = m.matrix(x)[:, 2, 2] / FREE
    assert normal.tolist() == pytest.approx([0.25, 0.25, 0.0625, 0.0], abs=1e-8)


def test_a_lone_sphere_in_a_cube_against_hasimoto() -> None:
    for side in (40.0, 100.0, 400.0):
        m = PeriodicRotnePragerYamakawa(A, ETA, tolerance=1e-13)
        own = m.matrix(torch.ones(1, 1, 3, dtype=torch.float64), side * EYE[None])[0]
        expected = 1 - 2.8372974795 * A / side + 4 * math.pi / 3 * (A / side) ** 3
        assert torch.allclose(own / FREE, expected * EYE, atol=2e-9)


@pytest.mark.parametrize("cell", [BOX, SKEWED])
def test_ewalds_sums_do_not_depend_on_how_they_are_split(cell: torch.Tensor) -> None:
    x = scattered(1, 6, 100.0)  # some overlap, some lie in other cells
    x[0, 1] = x[0, 0] + torch.tensor([3.0, 4.0, 5.0])
    first, second = (PeriodicRotnePragerYamakawa(A, ETA, 1e-12, xi).matrix(x, cell) for xi in (0.045, 0.08))
    assert float((first - second).abs().max()) < 1e-10 * FREE
    moved = x + (torch.tensor([[1.0, -2.0, 1.0]]).double() @ cell[0])
    assert torch.allclose(first, PeriodicRotnePragerYamakawa(A, ETA, 1e-12).matrix(moved, cell), atol=1e-10 * FREE)


def test_ewald_against_the_plain_sum_over_waves() -> None:
    """RPY's own Fourier transform, sin²(ka)/(k a)²/(η k²) (I - k̂k̂ᵀ), summed without any splitting."""
    x = scattered(1, 3, 30.0, seed=4)
    found = PeriodicRotnePragerYamakawa(A, ETA).matrix(x, BOX)[0].view(3, 3, 3, 3).transpose(1, 2) / FREE
    grid = torch.arange(-40, 41, dtype=torch.float64)
    k = torch.cartesian_prod(grid, grid, grid)
    k = 2 * math.pi / 80.0 * k[(k != 0).any(1) & (k.norm(dim=1) <= 40.5)]
    size = k.norm(dim=1)
    weight = torch.sin(size * A) ** 2 / (size * A) ** 2 / (ETA * size**2 * 80.0**3)
    across = EYE - k[:, :, None] * k[:, None, :] / size[:, None, None] ** 2
    for i, j in ((0, 0), (0, 1), (2, 1)):
        cos = torch.cos(k @ (x[0, i] - x[0, j]))
        plain = torch.einsum("k,kab->ab", weight * cos, across) / FREE
        tail = (i == j) / (math.pi * A * 2 * math.pi / 80.0 * 40.5)  # sin² is 1/2 beyond the last wave
        assert float((plain + tail * EYE - found[i, j]).abs().max()) < 3e-4


CLOSE = (0.0, 1e-8, 1e-6, 1e-4, 1e-2, 1.0, 4.0, 15.0)


def test_the_near_sum_of_overlapping_spheres_against_fifty_digits() -> None:
    """Beenakker's terms in 1/r and 1/r³ cancel those of the far branch, to the last of sixteen digits at 1e-5 Å."""
    m, xi = PeriodicRotnePragerYamakawa(A, ETA), 0.06

    def exact(distance: float) -> tuple[float, float]:
        with mpmath.workdps(50):
            r, a, s = mpmath.mpf(distance), mpmath.mpf(A), mpmath.mpf(xi)
            q, x, erf = a / r, (s * r) ** 2, mpmath.erf(s * r)
            gauss = s * mpmath.exp(-x) / mpmath.sqrt(mpmath.pi)
            alpha = 1 - 9 * r / (32 * a) - erf * (0.75 * q + 0.5 * q**3)
            alpha += gauss * (a * (3 * x - 4.5) + a**3 * s**2 * (4 * x**2 - 20 * x + 14 + 1 / x))
            beta = 3 * r / (32 * a) - erf * (0.75 * q - 1.5 * q**3)
            beta += gauss * (a * (1.5 - 3 * x) + a**3 * s**2 * (-4 * x**2 + 16 * x - 2 - 3 / x))
            return float(alpha), float(beta)

    r = torch.tensor(CLOSE, dtype=torch.float64)
    alpha, beta = m._pair(r, torch.full_like(r, xi))
    for k, distance in enumerate(CLOSE):
        expected = exact(distance or 1e-15)
        assert (float(alpha[k]) / FREE, float(beta[k]) / FREE) == pytest.approx(expected, abs=1e-14)
    assert float(alpha[0]) == pytest.approx(float(m._own(torch.tensor(xi, dtype=torch.float64))), rel=1e-14)


@pytest.mark.parametrize("distance", CLOSE)
def test_close_spheres_in_a_box_move_more_and_more_as_one(distance: float) -> None:
    m = PeriodicRotnePragerYamakawa(A, ETA, 1e-12)
    x = torch.zeros(1, 2, 3, dtype=torch.float64)
    x[0, 1] = distance * torch.tensor([0.6, 0.0, 0.8])
    x.requires_grad_()
    matrix = m.matrix(x, BOX)
    assert float(torch.linalg.eigvalsh(matrix.detach()).min()) > -1e-10 * FREE
    difference = (matrix[0, :3, :3] - matrix[0, :3, 3:]).detach() / FREE
    line = torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    expected = distance / A * (9 / 32 * EYE - 3 / 32 * torch.outer(line, line))  # of free spheres
    assert torch.allclose(difference, expected, atol=2e-3 * (distance / A) ** 2 * 10 + 1e-10)
    (gradient,) = torch.autograd.grad(matrix[0, 0, 3], x)
    slope = -9 / 32 * line + 3 / 32 * (2 * 0.6 * EYE[0] - 0.36 * line)
    if 0 < distance < 0.1:
        assert torch.allclose(gradient[0, 1] * A / FREE, slope, atol=1e-3 + distance)
    assert bool(torch.isfinite(gradient).all())
    assert float(divergence(m, x.detach(), BOX).abs().max()) < 1e-6 * FREE / A


KINDS = [
    (RotnePragerYamakawa(A, ETA), scattered, None, 50.0),
    (RotnePragerYamakawa(torch.linspace(2.0, 12.0, 8), ETA), scattered, None, 40.0),
    (WallRotnePragerYamakawa(A, ETA), above, None, 50.0),
    (PeriodicRotnePragerYamakawa(A, ETA, 1e-6), scattered, BOX, 35.0),
]


@pytest.mark.parametrize(("m", "place", "cell", "side"), KINDS)
def test_symmetric_and_positive_on_a_thousand_configurations(m, place, cell, side) -> None:
    x = place(1000, 8, side) if cell is None else place(1000, 3, side)
    crowded = torch.cdist(x, x) + 1e6 * torch.eye(x.shape[1])
    assert bool((crowded.amin((1, 2)) < A).sum() > 100)  # overlapping ones are among them
    boxes = None if cell is None else cell.expand(1000, 3, 3)
    matrix = m.matrix(x, boxes)
    assert float((matrix - matrix.mT).abs().max()) < 1e-12 * FREE
    assert float(torch.linalg.eigvalsh(matrix).min()) > (-1e-10 if cell is None else -1e-6) * FREE


def test_oseen_is_not_positive_where_particles_are_near() -> None:
    assert float(torch.linalg.eigvalsh(Oseen(A, ETA).matrix(scattered(20, 8, 50.0))).min()) < 0


@pytest.mark.parametrize(("m", "place", "cell", "side"), KINDS)
def test_products_gradients_and_parts_of_a_batch(m, place, cell, side, monkeypatch) -> None:
    x, f = place(3, 8, side), scattered(3, 8, 1.0, seed=9)
    boxes = None if cell is None else cell.expand(3, 3, 3)
    matrix = m.matrix(x, boxes)
    expected = (matrix @ f.view(3, -1, 1)).view(3, 8, 3)
    assert torch.allclose(m.product(x, f, boxes), expected, rtol=1e-10, atol=1e-14)
    with monkeypatch.context() as patch:
        patch.setattr("labkit.mobility.mobility._AT_ONCE", 20_000)  # particle by particle
        assert torch.allclose(m.product(x, f, boxes), expected, rtol=1e-10, atol=1e-14)
    assert torch.allclose(m.matrix(x[1:2], cell), matrix[1:2], rtol=1e-12)
    few = x[:1].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda y: m.product(y, f[:1], cell) / FREE, few, atol=1e-6, fast_mode=True)


@pytest.mark.parametrize("kind", [Oseen, RotnePragerYamakawa])
def test_compiled_products_are_those_of_the_matrix(kind) -> None:
    pytest.importorskip("numba")
    x, f = scattered(2, 40, 60.0), scattered(2, 40, 1.0, seed=9)
    for radius in (A, torch.linspace(1.0, 15.0, 40, dtype=torch.float64)):
        m = kind(radius, ETA)
        expected = (m.matrix(x) @ f.view(2, -1, 1)).view(2, 40, 3)
        assert torch.allclose(m.product(x, f), expected, rtol=1e-11)
        assert m.product(x.requires_grad_(), f).requires_grad
        x = x.detach()


@pytest.mark.parametrize("m", [Oseen(A, ETA), RotnePragerYamakawa(A, ETA), WallRotnePragerYamakawa(A, ETA)])
def test_rotated_particles_have_rotated_mobilities(m) -> None:
    about_z = isinstance(m, WallRotnePragerYamakawa)  # the wall stays where it is
    turn = Rotation.from_euler("z", 1.1) if about_z else Rotation.random(random_state=3)
    r = torch.as_tensor(turn.as_matrix())
    x = above(5, 6, 60.0)
    blocks = m.matrix(x).view(5, 6, 3, 6, 3)
    turned = m.matrix(x @ r.mT).view(5, 6, 3, 6, 3)
    assert float((turned - torch.einsum("ab,snbmc,dc->snamd", r, blocks, r)).abs().max()) < 1e-10 * FREE


def test_states_of_any_size_and_what_they_may_not_be() -> None:
    m = RotnePragerYamakawa(A, ETA)
    frames = [Atoms("Ar2", [[0, 0, 0], [0, 0, 25.0]]), Atoms("Ar3", [[0, 0, 0], [30.0, 0, 0], [0, 40.0, 0]])]
    state = State.from_atoms([frames[1], frames[0], frames[1]])
    forces = scattered(1, 8, 1.0)[0]
    found = m.velocities(state, forces)
    assert torch.allclose(found[3:5], m.product(state.positions[None, 3:5], forces[None, 3:5])[0])
    assert m.of(State.from_atoms([frames[0]] * 2)).shape == (2, 6, 6)
    with pytest.raises(LabkitError, match=r"systems of \[2, 3\] particles"):
        m.of(state)
    with pytest.raises(LabkitError, match=r"shape \(2, 3\); expected \(8, 3\)"):
        m.velocities(state, forces[:2])
    boxed = State.from_atoms(Atoms("Ar", [[0, 0, 5.0]], cell=[50.0] * 3, pbc=True))
    with pytest.raises(LabkitError, match="PeriodicRotnePragerYamakawa"):
        m.of(boxed)
    with pytest.raises(LabkitError, match="system 0 is not periodic"):
        PeriodicRotnePragerYamakawa(A, ETA).of(State.from_atoms(frames[0]))
    with pytest.raises(LabkitError, match=r"system 1, particle 0 is at z = -1"):
        WallRotnePragerYamakawa(A, ETA).of(State.from_atoms([Atoms("Ar", [[0, 0, z]]) for z in (5.0, -1.0)]))
    with pytest.raises(LabkitError, match="has 3 radii, but a system has 2"):
        RotnePragerYamakawa(torch.ones(3), ETA).of(State.from_atoms(frames[0]))
    with pytest.raises(LabkitError, match="expected a positive number of Å"):
        Oseen(-1.0, ETA)
