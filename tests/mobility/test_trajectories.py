"""Trajectories from elsewhere: the wrapped is unwrapped, what is not in order is refused, the rest is left alone."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabkitError
from labkit.mobility import Passive, TrajectoryWarning, continuous, passive, scan_lags
from labkit.units import KB

T, DT = 300.0, 1000.0


def walk(seed: int, frames: int = 200, systems: int = 1, n: int = 4, memory: float = 0.0, blur: float = 0.0):
    """Random walks (frames, S, n, 3) with steps of 0.5 Å, that may remember `memory` frames, or be seen with a blur."""
    rng = np.random.default_rng(seed)
    steps = 0.5 * rng.normal(size=(frames, systems, n, 3)) * rng.uniform(0.5, 2.0, size=(1, 1, n, 1))
    keep = np.exp(-1 / memory) if memory else 0.0
    for k in range(1, frames):
        steps[k] = keep * steps[k - 1] + (1 - keep**2) ** 0.5 * steps[k]
    start = rng.uniform(0, 30, size=(1, systems, n, 3))
    return torch.as_tensor(start + np.cumsum(steps, 0) + blur * rng.normal(size=steps.shape))


def wrapped(x: torch.Tensor, lattice: np.ndarray) -> torch.Tensor:
    inverse = torch.as_tensor(np.linalg.inv(lattice))
    fractional = x @ inverse
    return (fractional - fractional.floor()) @ torch.as_tensor(lattice)


def skewed(rng: np.random.Generator) -> np.ndarray:
    """A lattice of any skew, with faces at least 12 Å apart."""
    while True:
        lattice = rng.normal(size=(3, 3)) * 10 + np.diag(rng.uniform(15, 40, 3))
        if abs(np.linalg.det(lattice)) > 1 and 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0).max() > 12:
            return lattice


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([1, 3]), st.integers(1, 5))
def test_what_was_wrapped_is_unwrapped_in_any_cell(seed, box, systems, n):
    rng = np.random.default_rng(seed)
    x = walk(seed, systems=systems, n=n)
    lattice = np.diag(rng.uniform(12, 40, 3)) if box else skewed(rng)
    seen = wrapped(x, lattice)
    crossed = bool(((seen[1:] - seen[:-1]) - (x[1:] - x[:-1])).abs().max() > 1e-6)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = continuous(seen, torch.as_tensor(lattice) if seed % 2 else lattice)
    assert any(issubclass(w.category, TrajectoryWarning) for w in caught) == crossed
    np.testing.assert_allclose(found[1:] - found[:-1], x[1:] - x[:-1], atol=1e-9)
    np.testing.assert_array_equal(found[0], seen[0])
    if crossed:
        with pytest.raises(LabkitError, match=r"particle.* wrapped into a cell.* give cell="):
            continuous(seen)


def test_the_mobility_of_wrapped_particles():
    """<Δ²>/(2 k_B T τ) of a walk of known steps: wrapped input once gave ten times as much."""
    rng = np.random.default_rng(1)
    x = torch.as_tensor(np.cumsum(0.5 * rng.normal(size=(4000, 2, 3)), 0))
    true = 0.25 / (2 * KB * T * DT)
    with pytest.warns(TrajectoryWarning, match="jumps across the faces of the cell were undone"):
        data = Passive.from_trajectory(wrapped(x, np.diag([20.0] * 3)), DT, T, every=2, cell=[20.0] * 3)
    assert float(passive(data).value.diagonal().mean()) == pytest.approx(true, rel=0.05)
    with pytest.raises(LabkitError, match="give cell="):
        Passive.from_trajectory(wrapped(x, np.diag([20.0] * 3)), DT, T)
    with pytest.warns(TrajectoryWarning):
        scan = scan_lags(wrapped(x, np.diag([20.0] * 3)), DT, T, [1, 2, 4], passive, cell=[20.0] * 3)
    assert float(scan.best.value.diagonal().mean()) == pytest.approx(true, rel=0.1)


def test_a_direction_that_is_not_periodic_is_left_alone():
    x = walk(3)
    seen = wrapped(x, np.diag([15.0, 15.0, 15.0]))
    seen[..., 2] = x[..., 2]
    found = continuous(seen, cell=[15.0, 15.0, 0.0])
    np.testing.assert_allclose(found[1:] - found[:-1], x[1:] - x[:-1], atol=1e-6)


def test_steps_too_long_to_be_unwrapped():
    with pytest.raises(LabkitError, match="too far to be unwrapped in a cell 3 Å wide"):
        continuous(wrapped(walk(1), np.diag([3.0] * 3)), cell=[3.0] * 3)
    with pytest.raises(LabkitError, match=r"cell has the shape \(2,\); expected finite edges"):
        continuous(walk(1), cell=[3.0, 3.0])


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([10, 60, 400]),
    st.sampled_from([1, 2, 5, 60]),
    st.sampled_from([0.0, 5.0, 50.0]),
    st.sampled_from([0.0, 1.0]),
)
def test_what_is_in_order_is_taken_as_it_is(seed, frames, n, memory, blur):
    x = walk(seed, frames, 1 + seed % 2, n, memory, blur)
    assert continuous(x) is x


def test_particles_in_traps_are_in_order():
    """Saturated displacements, each particle in its own trap."""
    rng = np.random.default_rng(2)
    x = torch.as_tensor(20.0 * np.arange(5)[:, None] + rng.normal(size=(300, 5, 3)))
    assert continuous(x) is x


def shuffled(x, rng, always):
    out, start = x.clone(), 0 if always else int(rng.integers(20, len(x) - 20))
    order = rng.permutation(x.shape[2])
    while (order == np.arange(len(order))).all():
        order = rng.permutation(x.shape[2])
    for k in range(start, len(x)):
        out[k] = x[k][:, rng.permutation(x.shape[2]) if always else order]
    return out


def exchanged(x, rng, far):
    k = int(rng.integers(5, len(x) - 60))
    other = k + (int(rng.integers(30, 50)) if far else 1)
    out = x.clone()
    out[[k, other]] = x[[other, k]]
    return out


FAULTS = {
    "other order from a frame on": (lambda x, rng: shuffled(x, rng, False), "change places between frames"),
    "other order in every frame": (lambda x, rng: shuffled(x, rng, True), "in two frames than in one"),
    "a frame twice": (lambda x, rng: torch.cat([x[:50], x[49:]]), "frames 49 and 50 are equal"),
    "a restart": (lambda x, rng: torch.cat([x[:80], x[60:]]), "frame 80 is frame 60 again"),
    "two frames exchanged": (lambda x, rng: exchanged(x, rng, False), "seem to be exchanged"),
    "distant frames exchanged": (lambda x, rng: exchanged(x, rng, True), "frames .* (other order|usually|exchanged)"),
    "frames missing": (lambda x, rng: torch.cat([x[:70], x[110:]]), "frames 69 and 70"),
    "not a number": (lambda x, rng: x.index_fill(0, torch.tensor([7]), torch.nan), "frame 7, particle 0: .*not finite"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seed", range(8))
def test_what_is_not_in_order_is_refused(fault, seed):
    """Of 60 particles: the exchange of two frames of only a few cannot be told from their random walk."""
    spoil, message = FAULTS[fault]
    x = walk(seed, n=60, memory=[0.0, 10.0][seed % 2])
    x = x + 40.0 * torch.arange(60)[:, None]  # far apart compared with a step
    with pytest.raises(LabkitError, match=f"the trajectory: .*{message}"):
        continuous(spoil(x, np.random.default_rng(seed)))
