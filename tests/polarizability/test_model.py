"""Tensor models: covariance, symmetry, extensivity, derivatives, spread, files."""

import numpy as np
import pytest
import torch
from polarizability.cells import SMALL, design, fitted, ice, moved, waters
from scipy.spatial.transform import Rotation

from labkit.base import State, find_neighbours
from labkit.errors import LabkitError
from labkit.polarizability import Target, TensorDesign, TensorModel

TURN = Rotation.random(random_state=3).as_matrix()
MIRROR = TURN @ np.diag([1.0, -1.0, 1.0])
RANKS = {"energy": 0, "dipole": 1, "polarizability": 2, "born_charges": 2}


def turned(values: np.ndarray, rank: int, turn: np.ndarray) -> np.ndarray:
    if rank == 2:
        return turn @ values @ turn.T
    return values @ turn.T if rank else values


def water_model(target: str, **settings) -> tuple[TensorDesign, TensorModel]:
    made = TensorDesign.build(waters(), target, **{**SMALL, **settings})
    return made, made.solve(1e-8)


@pytest.mark.parametrize("n_sparse", [None, 12])
@pytest.mark.parametrize("turn", [TURN, MIRROR], ids=["rotation", "mirror"])
def test_predictions_turn_with_the_frame(n_sparse: int | None, turn: np.ndarray) -> None:
    model, (frames, _) = fitted(n_sparse=n_sparse), ice()
    here = model.predict(frames.atoms[40:43])
    there = model.predict([moved(atoms, turn) for atoms in frames.atoms[40:43]])
    np.testing.assert_allclose(there.values, turned(here.values, 2, turn), rtol=0, atol=1e-10)
    np.testing.assert_array_equal(here.values, here.values.swapaxes(1, 2))
    assert np.abs(here.values[:, 0, 1]).max() > 1e-3
    variance = np.square([there.spread, here.spread]).sum((2, 3))  # of the whole tensor: no direction is special
    np.testing.assert_allclose(variance[0], variance[1], rtol=1e-6)


@pytest.mark.parametrize("target", RANKS)
def test_every_target_is_learned_and_turns(target: str) -> None:
    made, model = water_model(target)
    truth, found = made.truth(), made.predictions(model)
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.02 * truth.std()
    values, spread = model.predict(waters())
    np.testing.assert_allclose(values, found, atol=1e-8 * np.abs(found).max())
    assert spread.shape == values.shape and (spread >= 0).all()
    for turn in (TURN, MIRROR):
        there = model.predict([moved(atoms, turn) for atoms in waters()]).values
        np.testing.assert_allclose(
            there, turned(values, RANKS[target], turn), rtol=0, atol=1e-10 * np.abs(values).max()
        )


def test_born_charges_of_a_frame_sum_to_zero_and_keep_their_antisymmetric_part() -> None:
    made, model = water_model("born_charges", n_sparse=20)
    values = model.predict(waters()).values.reshape(-1, 3, 3, 3)
    np.testing.assert_allclose(values.sum(1), 0, atol=1e-12)
    truth = made.truth().reshape(-1, 3, 3, 3)
    odd, expected = values - values.swapaxes(2, 3), truth - truth.swapaxes(2, 3)
    assert np.abs(expected).max() > 0.1 and np.abs(odd - expected).max() < 0.05 * np.abs(expected).max()


def test_born_charges_of_ice() -> None:
    frames, _ = ice()
    made = TensorDesign.build(frames[:30], "born_charges", **{**SMALL, "n_sparse": 15})
    assert "subtracted" in " ".join(made.notes)
    model = made.solve({0: 1e-5, 1: 1e-3, 2: 1e-5}, train=range(24))
    truth, found = made.truth(range(24, 30)), made.predictions(model, range(24, 30))
    species = np.concatenate([a.numbers for a in frames.atoms[24:30]])
    means = np.stack([truth[species == z].mean(0) for z in species])
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.5 * np.sqrt(np.mean((truth - means) ** 2))


def test_the_trace_is_the_lambda_0_model() -> None:
    """A scalar model of the trace, with the same regularization, predicts the trace of the tensor model."""
    frames, _ = ice()
    copies = []
    for k, atoms in enumerate(frames.atoms[:30]):
        copies.append(atoms.copy())
        copies[-1].info["trace"] = float(np.trace(frames.polarizability[k]))
    scalar = TensorDesign.build(copies, Target("trace"), **SMALL).solve(1e-6, train=range(24))
    expected = scalar.predict(frames.atoms[24:40]).values
    found = np.trace(fitted().predict(frames.atoms[24:40]).values, axis1=1, axis2=2)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_extensive_and_intensive_of_a_repeated_cell() -> None:
    frames, _ = ice()
    one, eight = frames.atoms[40], frames.atoms[40].repeat((2, 1, 1))
    model = fitted()
    values, spread = model.predict([one, eight])
    np.testing.assert_allclose(values[1], 2 * values[0], rtol=1e-9)
    np.testing.assert_allclose(spread[1], 2 * spread[0], rtol=1e-4)
    mean = TensorDesign.build(frames[:30], Target("polarizability", 2, of="mean"), **SMALL).solve(1e-6)
    values, spread = mean.predict([one, eight])
    np.testing.assert_allclose(values[1], values[0], rtol=1e-9)
    np.testing.assert_allclose(spread[1], spread[0], rtol=1e-4)


@pytest.mark.parametrize(("zeta", "n_sparse"), [(1.0, None), (2.0, 12), (2.5, None)])
def test_derivatives_against_finite_differences(zeta: float, n_sparse: int | None) -> None:
    model = fitted(zeta=zeta, n_sparse=n_sparse)
    frames, _ = ice()
    state = State.from_atoms(frames.atoms[40:42])
    near = find_neighbours(state.system, state.positions, state.cell, model.cutoff + 0.2)

    def value(positions: torch.Tensor) -> torch.Tensor:
        return model(state.system, positions, state.cell, near)[1, 0, 1]

    positions = state.positions.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(positions), positions)
    assert float(gradient[:12].abs().max()) == 0 and float(gradient[12:].abs().max()) > 1e-3
    for atom, axis in [(12, 0), (17, 1), (23, 2)]:
        step = torch.zeros_like(state.positions)
        step[atom, axis] = 1e-4
        numeric = (value(state.positions + step) - value(state.positions - step)) / 2e-4
        assert float(gradient[atom, axis]) == pytest.approx(float(numeric), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("n_sparse", [None, 12])
def test_derivatives_with_respect_to_strain(n_sparse: int | None) -> None:
    model, (frames, _) = fitted(n_sparse=n_sparse), ice()
    state = State.from_atoms(frames.atoms[40])
    near = find_neighbours(state.system, state.positions, state.cell, model.cutoff + 0.2)

    def value(strain: torch.Tensor) -> torch.Tensor:
        stretched = torch.eye(3).double() + strain
        return model(state.system, state.positions @ stretched, state.cell @ stretched, near)[0]

    found = torch.autograd.functional.jacobian(value, torch.zeros(3, 3).double())  # (3, 3, 3, 3)
    torch.testing.assert_close(found, found.transpose(0, 1), rtol=0, atol=1e-10)
    for a, b in [(0, 0), (1, 2), (2, 1)]:
        step = torch.zeros(3, 3).double()
        step[a, b] = 1e-5
        numeric = (value(step) - value(-step)) / 2e-5
        assert float(numeric.abs().max()) > 0.1
        torch.testing.assert_close(found[:, :, a, b], numeric, rtol=1e-6, atol=1e-6)


def test_spread_grows_away_from_the_data_and_shrinks_on_it() -> None:
    frames, _ = ice()
    model = design().solve({0: 1e-8, 2: 1e-8}, train=range(24))
    far = frames.atoms[0].copy()
    far.rattle(0.2, seed=1)
    spread = model.predict([frames.atoms[0], frames.atoms[40], far]).spread.max((1, 2))
    assert spread[0] < 0.2 * spread[1] and spread[1] < spread[2]


def test_a_saved_model_says_the_same_and_carries_its_settings(tmp_path) -> None:
    frames, _ = ice()
    for n_sparse in (None, 12):
        model = fitted(n_sparse=n_sparse, cutoff=3.0, feature_selection="fps")
        model.save(tmp_path / "model.safetensors")
        again = TensorModel.load(tmp_path / "model.safetensors")
        assert again.settings == model.settings and again.metadata == model.metadata and again.cutoff == 3.0
        for ours, theirs in zip(model.predict(frames[40:42]), again.predict(frames[40:42])):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    size = (tmp_path / "model.safetensors").stat().st_size
    model.save(tmp_path / "model.safetensors", spread=False)
    assert (tmp_path / "model.safetensors").stat().st_size < size
    small = TensorModel.load(tmp_path / "model.safetensors")
    found = small.predict(frames[40], spread=False).values
    np.testing.assert_allclose(found, model.predict(frames[40]).values, rtol=1e-9)
    with pytest.raises(LabkitError, match="spread=False"):
        small.predict(frames[40])


def test_a_changed_or_cut_file_is_refused(tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    fitted().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'\\"cutoff\\": 3.5', b'\\"cutoff\\": 4.5', 1))
    with pytest.raises(LabkitError, match="do not match"):
        TensorModel.load(path)
    path.write_bytes(whole[:-100])
    with pytest.raises(LabkitError, match="truncated"):
        TensorModel.load(path)
