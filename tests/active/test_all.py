"""What holds for every uncertainty: shapes, units, invariance, batches, one atom, precision, gradients."""

import ase
import numpy as np
import pytest
import torch
from active.cases import CASES
from ase.build import molecule
from scipy.spatial.transform import Rotation

from labkit.active import UNCERTAINTIES, GpVariance, MeanVarianceSpread, Spread, Uncertainty
from labkit.active.uncertainty import UNITS
from labkit.base import Potential, State
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap import Design


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, design: Design) -> tuple[Potential, Uncertainty]:
    return CASES[request.param](design)


@pytest.fixture(scope="module")
def frames(valid: Dataset) -> list[ase.Atoms]:
    """Two cells of ice, a molecule without a cell, and two atoms that nearly touch."""
    water, pair = molecule("H2O"), ase.Atoms("OH", [[0, 0, 0], [0.6, 0.1, 0.0]])
    water.rattle(0.1, seed=1)
    return [valid.atoms[0], water, valid.atoms[1], pair]


def close(one: Spread, other: Spread, order: np.ndarray | None = None, **tolerance: float) -> None:
    """Equal values and units; `order` is that of the atoms of `other` in `one`."""
    assert (one.unit_per_system, one.unit_per_atom) == (other.unit_per_system, other.unit_per_atom)
    tolerance = {"rtol": 1e-5, "atol": 1e-6} | tolerance
    torch.testing.assert_close(one.per_system, other.per_system, check_dtype=False, **tolerance)
    atoms = one.per_atom if order is None else one.per_atom[torch.as_tensor(order)]
    torch.testing.assert_close(atoms, other.per_atom, check_dtype=False, **tolerance)


def test_every_kind_is_here(design: Design) -> None:
    assert {type(make(design)[1]) for make in CASES.values()} == set(UNCERTAINTIES.values())


def test_shapes_units_and_calibration(case, frames) -> None:
    uncertainty = case[1]
    assert isinstance(uncertainty, Uncertainty)
    state = State.from_atoms(frames)
    spread = uncertainty(state)
    assert spread.per_system.shape == (4,) and spread.per_atom.shape == (state.system.n_atoms,)
    assert spread.unit_per_system in UNITS and spread.unit_per_atom in UNITS
    assert spread.calibrated is False  # nothing here has seen an error
    for values in (spread.per_system, spread.per_atom):
        assert values.dtype == torch.float64 and bool(torch.isfinite(values).all()) and bool((values > 0).all())


def test_rotation_translation_and_permutation(case, frames) -> None:
    turn, random = Rotation.random(random_state=3).as_matrix(), np.random.default_rng(4)
    moved, order, start = [], [], 0
    for frame in frames:
        shuffle = random.permutation(len(frame))
        turned = frame[shuffle]
        turned.set_cell(turned.cell.array @ turn.T)
        turned.positions = turned.positions @ turn.T - 3.0
        moved.append(turned)
        order.append(start + shuffle)
        start += len(frame)
    spreads = [case[1](State.from_atoms(some)) for some in (frames, moved)]
    close(*spreads, order=np.concatenate(order))


def test_a_batch_is_its_members(case, frames) -> None:
    together = case[1](State.from_atoms(frames))
    alone = [case[1](State.from_atoms(frame)) for frame in frames]
    for name in ("per_system", "per_atom"):
        parts = torch.cat([getattr(spread, name) for spread in alone])
        torch.testing.assert_close(getattr(together, name), parts, rtol=1e-5, atol=1e-6)


def test_a_cell_twice_is_twice_as_uncertain(case, valid) -> None:
    """The errors of equal environments are equal, not independent: energies add, also across periodic images."""
    once, twice = (case[1](State.from_atoms(valid.atoms[1] * (1, 1, n))) for n in (1, 2))
    times = 2 if once.unit_per_system == "eV" else 1  # a force or a distance is that of the worst atom
    if isinstance(case[1], MeanVarianceSpread):
        times = 2**0.5  # noise, which is independent
    torch.testing.assert_close(twice.per_system, times * once.per_system, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(twice.per_atom, once.per_atom.repeat(2), rtol=1e-3, atol=1e-6)


def test_one_atom_without_neighbours(case) -> None:
    spread = case[1](State.from_atoms(ase.Atoms("O")))
    assert spread.per_system.shape == spread.per_atom.shape == (1,)
    for values in (spread.per_system, spread.per_atom):
        assert bool(torch.isfinite(values).all()) and bool((values >= 0).all())


def test_single_precision(case, frames) -> None:
    single, double = (case[1](State.from_atoms(frames, dtype=dtype)) for dtype in (torch.float32, torch.float64))
    assert single.per_system.dtype == single.per_atom.dtype == torch.float32
    close(single, double, rtol=1e-3, atol=1e-5)


def test_a_known_evaluation_gives_the_same(case, frames) -> None:
    potential, uncertainty = case
    state = State.from_atoms(frames)
    close(uncertainty(state, potential.evaluate(state, per_atom=True)), uncertainty(state), rtol=1e-9, atol=1e-12)


def test_no_graph_is_kept_unless_the_positions_require_gradients(case, frames) -> None:
    potential, uncertainty = case
    state = State.from_atoms(frames)
    for spread in (uncertainty(state), uncertainty(state, potential.evaluate(state, per_atom=True))):
        assert not spread.per_system.requires_grad and not spread.per_atom.requires_grad
    following = state.replace(positions=state.positions.clone().requires_grad_())
    with torch.no_grad():
        assert not uncertainty(following).per_system.requires_grad
    if isinstance(uncertainty, GpVariance) and uncertainty.per_atom == "forces":
        with pytest.raises(LabkitError, match="spreads of forces cannot be differentiated; use per_atom='energies'"):
            uncertainty(following)
        return
    spread = uncertainty(following)
    total = spread.per_system.sum() + spread.per_atom.sum()
    (gradient,) = torch.autograd.grad(total, following.positions)
    for atom, axis in ((0, 1), (13, 0), (26, 2), (28, 0)):
        step = torch.zeros_like(state.positions)
        step[atom, axis] = 1e-4
        ends = [uncertainty(state.replace(positions=state.positions + sign * step)) for sign in (1, -1)]
        up, down = (float(end.per_system.sum() + end.per_atom.sum()) for end in ends)
        assert float(gradient[atom, axis]) == pytest.approx((up - down) / 2e-4, rel=2e-3, abs=2e-5)
