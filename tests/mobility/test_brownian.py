"""Brownian dynamics: Boltzmann's distribution whatever the mobility, noise of the right covariance, errors in words."""

import math

import numpy as np
import pytest
import torch
from ase import Atoms
from scipy import stats

from labkit.base import State
from labkit.engine import simulate
from labkit.errors import LabkitError
from labkit.mobility import (
    Brownian,
    Oseen,
    PeriodicRotnePragerYamakawa,
    RotnePragerYamakawa,
    WallRotnePragerYamakawa,
    divergence,
)
from labkit.mobility.divergence import random_divergence
from labkit.mobility.lanczos import certain, lanczos
from labkit.mobility.positive import root
from tests.engine.tiny import Lonely, Springs
from tests.mobility.walkers import ETA, FREE, KT, A, Corrugated, T, Trap, replicas, run

WIDTH = 10.0  # Å, of a bead in its trap
K = KT / WIDTH**2
SCHEMES = {
    "midpoint": dict(scheme="midpoint"),
    "euler": dict(scheme="euler"),
    "random": dict(scheme="euler", divergence="random"),
}


def in_trap(choices: dict, *, drift: bool, finer: int = 1, n: int = 10_000) -> np.ndarray:
    """x of n independent beads in units of the trap's width; the mobility changes ninefold across it."""
    start = WIDTH * torch.randn(n, 1, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    integrator = Brownian(Corrugated(FREE, 1.5 / WIDTH), T, drift=drift, **choices)
    state = run(integrator, replicas(start, seed=3), Trap(K), 0.02 / finer / (FREE * K), 60 * finer)
    return (state.positions[:, 0] / WIDTH).numpy()


@pytest.mark.parametrize("choices", SCHEMES.values(), ids=SCHEMES)
def test_boltzmann_with_the_drift_and_not_without(choices: dict) -> None:
    """10,000 independent beads under a mobility that depends strongly on the place; one sample each.

    Euler's schemes have an error of the order of the timestep, which so many beads would show at the midpoint's.
    """
    finer = 1 if choices["scheme"] == "midpoint" else 4
    assert stats.kstest(in_trap(choices, drift=True, finer=finer), "norm").pvalue > 0.01
    assert stats.kstest(in_trap(choices, drift=False), "norm").pvalue < 1e-6


def test_a_drift_counted_twice_is_found() -> None:
    """The midpoint carries the drift; with k_B T ∇·M added to it once more the distribution is wrong."""
    m = Corrugated(FREE, 1.5 / WIDTH)
    dt, potential, integrator = 0.02 / (FREE * K), Trap(K), Brownian(m, T)
    state = replicas(WIDTH * torch.randn(10_000, 1, 3, generator=torch.Generator().manual_seed(5)).double(), seed=3)
    state = integrator.init(state, potential)
    for _ in range(60):
        extra = dt * KT * divergence(m, state.positions.view(-1, 1, 3)).view(-1, 3)
        state = integrator.step(state, potential, dt)
        state = state.replace(positions=state.positions + extra)
    assert stats.kstest((state.positions[:, 0] / WIDTH).numpy(), "norm").pvalue < 1e-6


@pytest.mark.parametrize(("drift", "passes"), [(True, True), (False, False)])
def test_a_bead_near_a_wall(drift: bool, passes: bool) -> None:
    """Heights in a trap whose middle is half a radius above contact are Gaussian only with the drift."""
    width = 0.15 * A
    centre = (0.0, 0.0, 1.5 * A)
    start = torch.tensor(centre) + width * torch.randn(10_000, 1, 3, generator=torch.Generator().manual_seed(2))
    integrator = Brownian(WallRotnePragerYamakawa(A, ETA), T, drift=drift)
    k = KT / width**2
    state = run(integrator, replicas(start.double(), seed=1), Trap(k, centre), 0.05 / (FREE * k), 60)
    heights = (state.positions[:, 2].numpy() - centre[2]) / width
    p = stats.kstest(heights, "norm").pvalue
    assert p > 0.01 if passes else p < 1e-6


def test_two_beads_on_a_spring() -> None:
    """p(r) ~ r² exp(-k (r - d)²/2k_BT), from another start; without r² the same sample fails."""
    n, length, width = 4000, 30.0, 6.0
    start = torch.zeros(n, 2, 3, dtype=torch.float64)
    start[:, 1, 2] = length
    state = replicas(start, seed=4)
    springs = Springs(torch.arange(2 * n).view(n, 2), torch.full((n,), length, dtype=torch.float64), KT / width**2)
    dt = 0.03 * width**2 / (KT * FREE)
    state = run(Brownian(RotnePragerYamakawa(A, ETA), T), state, springs, dt, 90)
    x = state.positions.view(n, 2, 3)
    r = (x[:, 1] - x[:, 0]).norm(dim=1).numpy()
    grid = np.linspace(1e-3, length + 8 * width, 4000)
    for power, passes in ((2, True), (0, False)):
        below = np.cumsum(grid**power * np.exp(-((grid - length) ** 2) / (2 * width**2)))
        p = stats.kstest(r, lambda q, below=below: np.interp(q, grid, below / below[-1])).pvalue
        assert p > 0.01 if passes else p < 1e-6


@pytest.mark.parametrize("noise", ["cholesky", "lanczos"])
@pytest.mark.parametrize("scheme", ["midpoint", "euler"])
def test_covariance_of_displacements_is_2_kt_m_dt_over_all_pairs(noise: str, scheme: str) -> None:
    """Four beads, two of which overlap: each of the 144 entries within its error; so is short-time diffusion."""
    x = torch.tensor([[0, 0, 0], [12.0, 5, 0], [-10, 30, 8], [25, -20, 40.0]], dtype=torch.float64)
    n, dt = 8000, 10.0
    m = RotnePragerYamakawa(A, ETA)
    state = replicas(x.expand(n, 4, 3), seed=7)
    integrator = Brownian(m, T, scheme=scheme, noise=noise, drift=scheme == "midpoint", tolerance=1e-5)
    moved = run(integrator, state, Lonely(), dt, 1).positions.view(n, 12) - x.flatten()
    matrix = m.matrix(x[None])[0]
    found = moved.T @ moved / (n * 2 * KT * dt)
    error = ((matrix.diagonal()[:, None] * matrix.diagonal() + matrix**2) / n).sqrt()
    assert float(((found - matrix) / error).abs().max()) < 4.2
    # brought to independent coordinates by M's own root, 78 independent numbers are left
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(matrix), moved.T, upper=False) / (2 * KT * dt) ** 0.5
    rest = (white @ white.T / n - torch.eye(12)) * (n / (1 + torch.eye(12))) ** 0.5
    assert 0.6 < float(rest[torch.triu(torch.ones(12, 12, dtype=torch.bool))].square().mean()) < 1.45


def test_forces_move_beads_by_the_mobility() -> None:
    """Without temperature a step is M F dt, to first order, and more closely by the midpoint."""
    x = torch.tensor([[[0.0, 0, 14.0], [25.0, 0, 18.0]]], dtype=torch.float64)
    m, potential = WallRotnePragerYamakawa(A, ETA), Trap(0.01)
    dt = 10.0
    state = run(Brownian(m, 0.0), replicas(x), potential, dt, 1)
    expected = m.velocities(Brownian(m, 0.0).init(replicas(x), potential))
    assert torch.allclose((state.positions - x[0]) / dt, expected, rtol=1e-3)
    exact = run(Brownian(m, 0.0), replicas(x), potential, dt, 100).positions
    errors = {}
    for scheme in ("midpoint", "euler"):
        errors[scheme] = float(
            (run(Brownian(m, 0.0, scheme), replicas(x), potential, 1000.0, 1).positions - exact).norm()
        )
    assert errors["midpoint"] < 0.05 * errors["euler"]


def test_divergence_against_finite_differences() -> None:
    m = WallRotnePragerYamakawa(A, ETA)
    x = torch.tensor([[[0.0, 0, 14.0], [15.0, 3, 18.0]], [[0, 0, 11.0], [0, 40.0, 9.0]]], dtype=torch.float64)
    found, expected = divergence(m, x), torch.zeros_like(x)
    for j in range(6):
        step = torch.zeros(6, dtype=torch.float64)
        step[j] = 1e-4
        change = m.matrix(x + step.view(2, 3)) - m.matrix(x - step.view(2, 3))
        expected += (change[:, :, j] / 2e-4).view(2, 2, 3)
    assert torch.allclose(found, expected, rtol=1e-6, atol=1e-9 * float(found.abs().max()))
    many, random = x[:1].expand(20_000, 2, 3), torch.randn(20_000, 2, 3, generator=torch.Generator().manual_seed(1))
    estimates = random_divergence(m, many, random.double(), 1e-3)
    z = (estimates.mean(0) - found[0]) / (estimates.std(0) / math.sqrt(20_000))
    assert float(z.abs().max()) < 4
    box = 80.0 * torch.eye(3, dtype=torch.float64).expand(2, 3, 3)
    for free, cell in ((RotnePragerYamakawa(A, ETA), None), (PeriodicRotnePragerYamakawa(A, ETA, 1e-8), box)):
        assert float(divergence(free, x, cell).abs().max()) < 1e-6 * float(found.abs().max())


def test_lanczos_is_the_square_root() -> None:
    x = 150.0 * torch.rand(2, 50, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    z = torch.randn(2, 150, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    m = RotnePragerYamakawa(A, ETA)
    values, vectors = torch.linalg.eigh(m.matrix(x))
    found, products = lanczos(lambda v: m.product(x, v.view(2, 50, 3)).view(2, 150), z, x, 1e-6, (0.5, -0.5))
    assert products < 150
    for power, y in zip((0.5, -0.5), found):
        exact = (vectors * values[:, None] ** power) @ (vectors.mT @ z[..., None])
        assert float((y - exact[..., 0]).norm() / exact.norm()) < 1e-5


def test_what_cannot_move_has_no_noise_and_no_random_force() -> None:
    matrix = torch.diag(torch.tensor([2.0, 0.0, 1.0], dtype=torch.float64))[None]
    w = torch.ones(1, 3, dtype=torch.float64)
    b = root(matrix, torch.zeros(1, 1, 3))
    assert torch.allclose(b.matrix @ b.matrix.mT, matrix, atol=1e-12)
    assert torch.allclose(matrix @ b.force(w)[..., None], b.times(w)[..., None], atol=1e-12)


def test_noise_is_a_function_of_seed_and_step_and_runs_go_on(tmp_path) -> None:
    start = replicas(20.0 * torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(1)).double() + 15, seed=2)
    integrator = Brownian(WallRotnePragerYamakawa(A, ETA), T, scheme="euler", divergence="random")
    whole = simulate(start, Trap(0.01, (0, 0, 30.0)), integrator, 20, 100.0)
    simulate(start, Trap(0.01, (0, 0, 30.0)), integrator, 12, 100.0, checkpoint=tmp_path / "run", checkpoint_every=6)
    again = simulate(start, Trap(0.01, (0, 0, 30.0)), integrator, 20, 100.0, checkpoint=tmp_path / "run")
    assert torch.equal(whole.positions, again.positions)
    other = simulate(start.replace(seed=3), Trap(0.01, (0, 0, 30.0)), integrator, 20, 100.0)
    assert not torch.allclose(whole.positions, other.positions)


def test_a_batch_of_different_systems_is_each_alone_in_the_mean() -> None:
    frames = [Atoms("Ar2", [[0, 0, 0], [25.0, 0, 0]]), Atoms("Ar", [[0, 0, 0]])]
    state = State.from_atoms(frames)
    moved = run(Brownian(RotnePragerYamakawa(A, ETA), 0.0), state, Trap(0.01), 100.0, 5).positions
    alone = run(Brownian(RotnePragerYamakawa(A, ETA), 0.0), State.from_atoms(frames[0]), Trap(0.01), 100.0, 5)
    assert torch.allclose(moved[:2], alone.positions)


@pytest.mark.parametrize("wrong", [0, 1, 2, 3, 4])
def test_lanczos_finds_whatever_is_not_positive_and_whose_it_is(wrong: int) -> None:
    """Two of 216 point forces are near: noise often converges before it feels their motion; `certain` products do."""
    generator = torch.Generator().manual_seed(wrong)
    grid = torch.cartesian_prod(*[90.0 * torch.arange(6, dtype=torch.float64)] * 3)
    x = grid + 40.0 * torch.rand(216, 3, generator=generator, dtype=torch.float64)
    x[5] = x[100] + torch.tensor([0.0, (13.0, 14.0, 14.5, 14.8, 12.0)[wrong], 0.0])
    m = Oseen(A, ETA)
    lowest = float(torch.linalg.eigvalsh(m.matrix(x[None])).min())
    for _ in range(20):
        z = torch.randn(1, 648, generator=generator, dtype=torch.float64)
        with pytest.raises(LabkitError, match=r"not positive.* particles 5 and 100, \d") as caught:
            lanczos(lambda v: m.product(x[None], v.view(1, 216, 3)).view(1, 648), z, x[None], 1e-3, least=certain(648))
        said = float(str(caught.value).split("eigenvalue is ")[1].split()[0])
        assert said == pytest.approx(lowest, rel=0.05, abs=1e-3 * FREE)
    for seed in range(5):  # in the first step of a run
        with pytest.raises(LabkitError, match="particles 5 and 100"):
            run(Brownian(m, T, "euler", noise="lanczos", drift=False), replicas(x[None], seed), Lonely(), 1.0, 1)


@pytest.mark.parametrize("noise", ["cholesky", "lanczos"])
def test_particles_at_one_place_are_named(noise: str) -> None:
    x = torch.tensor([[[0.0, 0, 0], [50, 0, 0], [9, 9, 9], [50, 0, 0]]], dtype=torch.float64)
    with pytest.raises(LabkitError, match=r"system 0 is not finite: particles 1 and 3 are at the same place.*Rotne"):
        simulate(replicas(x), Lonely(), Brownian(Oseen(A, ETA), T, noise=noise), 1, 1.0)
    moved = run(Brownian(RotnePragerYamakawa(A, ETA), T, noise=noise), replicas(x), Lonely(), 1.0, 1).positions
    assert torch.allclose(moved[1], moved[3]) and not torch.equal(moved[1], x[0, 1])


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"delta": 0.0}, "delta is 0.0; expected a small positive number of Å"),
        ({"delta": "1e-3"}, "delta is '1e-3'; expected"),
        ({"tolerance": -1}, "tolerance is -1; expected one between 0 and 1"),
        ({"tolerance": float("nan")}, "tolerance is nan; expected"),
        ({"drift": "no"}, "drift is 'no'; expected True or False"),
        ({"noise": 3}, "noise is 3; expected one of"),
        ({"temperature": -1.0}, "temperature is -1.0; expected 0 K or more"),
        ({"temperature": torch.tensor([300.0, float("inf")])}, "expected 0 K or more"),
        ({"mobility": 0.1}, "mobility is 0.1; expected a Mobility"),
    ],
)
def test_parameters_that_make_no_sense(choice: dict, sentence: str) -> None:
    with pytest.raises(LabkitError, match=sentence):
        Brownian(**{"mobility": RotnePragerYamakawa(A, ETA), "temperature": T, **choice})


def test_mistakes() -> None:
    near = replicas(torch.tensor([[[0.0, 0, 0], [90, 0, 0], [0, 0, 8.0]]], dtype=torch.float64))
    with pytest.raises(LabkitError, match=r"system 0 .*eigenvalue is -.*particles 0 and 2, 8 Å apart.*Rotne"):
        run(Brownian(Oseen(A, ETA), T), near, Lonely(), 1.0, 1)
    with pytest.raises(LabkitError, match=r"system 0 .*eigenvalue is -.*particles 0 and 2, 8 Å apart.*Rotne"):
        run(Brownian(Oseen(A, ETA), T, noise="lanczos"), near, Lonely(), 1.0, 1)
    with pytest.raises(LabkitError, match="did you mean 'midpoint'"):
        Brownian(Oseen(A, ETA), T, scheme="mid-point")
    with pytest.raises(LabkitError, match="temperature has shape"):
        run(Brownian(Oseen(A, ETA), torch.tensor([T, T])), near, Lonely(), 1.0, 1)
    with pytest.raises(LabkitError, match="behind the wall"):
        run(Brownian(WallRotnePragerYamakawa(A, ETA), T), near, Lonely(), 1.0, 1)
