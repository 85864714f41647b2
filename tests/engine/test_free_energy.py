"""Free energies from restrained dynamics against their closed forms: force constants, walls, and a bias taken off."""

import numpy as np
import pytest
import torch
from ase import Atoms
from scipy import integrate

from labkit.base import State
from labkit.engine import Langevin, maxwell_boltzmann
from labkit.forcefield import Bias, FlatBottom, HarmonicBonds, Restraints
from labkit.units import KB

KELVIN = 300.0
THERMAL = KB * KELVIN


def sampled(frame: Atoms, systems: int, potential, frames: int = 12, equilibration: int = 150, stride: int = 30):
    """Positions (frames, systems, atoms, 3) Å; friction and strides such that they are hardly correlated."""
    state = maxwell_boltzmann(State.from_atoms([frame] * systems, seed=2), KELVIN, com_removed=False)
    rule, found = Langevin(KELVIN, 0.02), []
    with torch.no_grad():
        now = rule.init(state, potential)
        for step in range(1, equilibration + frames * stride + 1):
            now = rule.step(now, potential, 10.0)
            if step > equilibration and (step - equilibration) % stride == 0:
                found.append(now.positions.view(systems, -1, 3))
    return torch.stack(found)


def perturbed(difference: torch.Tensor) -> tuple[float, float]:
    """-k_B T ln <exp(-ΔU/k_B T)> of samples (frames, replicas), and its error from the scatter of replicas."""
    mean = torch.exp(-difference / THERMAL).mean(0)
    value = -THERMAL * float(mean.mean().log())
    return value, THERMAL * float(mean.std() / len(mean) ** 0.5 / mean.mean())


def test_force_constants_of_a_restraint() -> None:
    """ΔF = (3/2) k_B T ln(k₁/k₀), by integration over ln k and by perturbation, all k in one batch."""
    windows, replicas = 5, 80
    k = torch.logspace(0, 1, windows, 10, dtype=torch.float64) * 0.2
    n = windows * replicas
    potential = Restraints(torch.arange(n)[:, None], k.repeat_interleave(replicas), torch.zeros(n, 3))
    half = 0.5 * sampled(Atoms("Ar"), n, potential).square().sum((2, 3)).view(-1, windows, replicas)
    expected = 1.5 * THERMAL * np.log(10)

    slopes = (half * k[None, :, None]).mean(0)  # dF/d ln k = <½ k r²>, of each replica
    value = float(integrate.simpson(slopes.mean(1).numpy(), x=k.log().numpy()))
    error = float((slopes.std(1) / replicas**0.5).square().sum().sqrt()) * np.log(10) / (windows - 1)
    assert error < 0.03 * expected and value == pytest.approx(expected, abs=4 * error)

    steps = [perturbed((k[w + 1] - k[w]) * half[:, w]) for w in range(windows - 1)]
    value, error = sum(s[0] for s in steps), sum(s[1] ** 2 for s in steps) ** 0.5
    assert error < 0.03 * expected and value == pytest.approx(expected, abs=4 * error)


def test_walls_that_leave_a_sphere_free() -> None:
    """ΔF between two radii of a flat-bottomed restraint, from the integral over the sphere and its wall."""
    replicas, k, radii = 250, 0.5, (1.0, 1.15)

    def wall(r, radius):
        return 0.5 * k * np.maximum(0.0, r - radius) ** 2

    def weight(radius: float) -> float:
        return integrate.quad(lambda r: r**2 * np.exp(-wall(r, radius) / THERMAL), 0, 6, points=[radius])[0]

    centres = torch.zeros(replicas, 3)
    potential = FlatBottom(torch.arange(replicas)[:, None], k, centres, radius=torch.full((replicas,), radii[0]))
    r = sampled(Atoms("Ar"), replicas, potential, frames=10, stride=40)[:, :, 0].norm(dim=2)
    difference = torch.as_tensor(wall(r.numpy(), radii[1]) - wall(r.numpy(), radii[0]))
    value, error = perturbed(difference)
    expected = -THERMAL * np.log(weight(radii[1]) / weight(radii[0]))
    assert error < 0.05 * abs(expected) and value == pytest.approx(expected, abs=4 * error)


def test_a_bias_is_taken_off_by_reweighting() -> None:
    """A bond that a bias holds too long; weights exp(U/k_B T) give back its own mean length and width."""
    systems, k, r0, pull = 30, 3.0, 2.0, 1.0
    bond = HarmonicBonds(torch.arange(2 * systems).view(-1, 2), k=k, r0=r0)
    bias = Bias(lambda r, cell: (r[1] - r[0]).norm(), lambda s: 0.5 * pull * (s - 2.3) ** 2)
    found = sampled(
        Atoms("Ar2", [[0, 0, 0], [2.0, 0, 0]]), systems, bond + bias, frames=12, equilibration=50, stride=15
    )
    length = (found[:, :, 1] - found[:, :, 0]).norm(dim=2)
    weights = torch.exp(0.5 * pull * (length - 2.3) ** 2 / THERMAL)

    def exact(power: int) -> float:
        def integrand(r: float) -> float:
            return r ** (2 + power) * np.exp(-0.5 * k * (r - r0) ** 2 / THERMAL)

        return integrate.quad(integrand, 1, 3, points=[r0])[0]

    for power in (1, 2):
        expected = exact(power) / exact(0)
        parts = (weights * length**power).sum(0), weights.sum(0)
        value = float(parts[0].sum() / parts[1].sum())
        error = float((parts[0] - value * parts[1]).std() * systems**0.5 / parts[1].sum())
        assert value == pytest.approx(expected, abs=4 * error) and error < 0.015 * expected
        assert abs(float((length**power).mean()) - expected) > 4 * error
