"""The design: learning, independent codes, speed of further solutions, and bad input in words."""

import copy
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from ase.build import molecule
from descriptors.tabulated import featomic_settings
from polarizability.cells import SMALL, design, fitted, ice, waters

import labkit.datasets
from labkit.descriptors import clebsch_gordan
from labkit.errors import LabkitError, Stopped
from labkit.polarizability import Target, TensorDesign, with_label

NOISE = {0: 1e-6, 2: 1e-4}


def rmse(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)))


def test_the_error_falls_with_the_number_of_frames() -> None:
    frames, n = ice()
    made = TensorDesign.build(frames, n_max=6, l_max=4, n_features=100)
    test = range(n, len(frames))
    truth = made.truth(test)
    errors = [rmse(made.predictions(made.solve(NOISE, train=range(size)), test), truth) for size in (10, 20, 40, n)]
    assert errors == sorted(errors, reverse=True)
    spread_of_labels = rmse(truth, frames.polarizability[:n].mean(0))
    assert errors[-1] < 0.3 * spread_of_labels
    values, spread = made.solve(NOISE, train=range(n)).predict(frames[list(test)])
    assert 0.5 < np.sqrt(np.mean(((values - truth) / spread) ** 2)) < 2


def test_an_independent_route_has_the_same_learning_curve() -> None:
    """featomic's expansion and numpy's dense kernel ridge regression, with all features."""
    frames, n = ice()
    settings = dict(n_max=3, l_max=2, cutoff=3.5, atom_sigma=0.4)
    made = TensorDesign.build(frames, **settings, n_features=None, zeta=2.0)
    test, truth = np.arange(n, len(frames)), made.truth(np.arange(n, len(frames)))
    kernels = dense_kernels(frames, settings)
    for size in (20, 40, n):
        mine = rmse(made.predictions(made.solve(NOISE, train=range(size)), test), truth)
        theirs = rmse(ridge(kernels, frames.polarizability, np.arange(size), test), truth)
        assert mine == pytest.approx(theirs, rel=0.05)


def dense_kernels(frames, settings: dict) -> dict[int, np.ndarray]:
    """{λ: (S, 2λ+1, S, 2λ+1)} of frames from featomic's coefficients, coupled and multiplied by plain numpy."""
    import featomic

    expansion = featomic.SphericalExpansion(**featomic_settings(**settings)).compute(frames.atoms)
    n, l_max, offsets = settings["n_max"], settings["l_max"], frames.offsets
    coefficients = {l: np.zeros((offsets[-1], 2 * l + 1, 2 * n)) for l in range(l_max + 1)}
    for key, block in expansion.items():
        rows = offsets[np.asarray(block.samples["system"])] + np.asarray(block.samples["atom"])
        first = n * (int(key["neighbor_type"]) == 8)
        coefficients[int(key["o3_lambda"])][rows, :, first : first + n] = np.asarray(block.values)
    power = {}
    for degree in (0, 2):
        parts = [
            np.einsum("iax,iby,abm->imxy", coefficients[l1], coefficients[l2], clebsch_gordan(l1, l2, degree))
            for l1 in coefficients
            for l2 in coefficients
            if abs(l1 - l2) <= degree <= l1 + l2 and (l1 + l2 + degree) % 2 == 0
        ]
        power[degree] = np.concatenate([part.reshape(*part.shape[:2], -1) for part in parts], axis=2)
    length = np.linalg.norm(power[0], axis=(1, 2))[:, None, None]
    numbers = np.concatenate([a.numbers for a in frames.atoms])
    frame = np.repeat(np.eye(len(frames)), frames.counts, axis=0)  # sums over atoms
    similar = (power[0] / length)[:, 0] @ (power[0] / length)[:, 0].T * (numbers[:, None] == numbers)
    kernels = {}
    for degree, p in power.items():
        of_atoms = np.tensordot(p / length, p / length, (2, 2)) * similar[:, None, :, None]
        of_rows = np.tensordot(frame.T, of_atoms, 1)
        kernels[degree] = np.tensordot(of_rows, frame, (2, 0)).swapaxes(2, 3)
    return kernels


def ridge(kernels: dict[int, np.ndarray], tensors: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    found = np.zeros((len(test), 3, 3))
    for degree, kernel in kernels.items():
        order = [2, 0, 1]  # x, y, z among y, z, x
        turn = clebsch_gordan(1, 1, degree)[order][:, order]
        y = np.einsum("sab,abm->sm", tensors, turn)
        mean = y[train].mean(0) if degree == 0 else 0.0
        size = 2 * degree + 1
        k = kernel[train][:, :, train].reshape(len(train) * size, -1)
        noise = NOISE[degree] * np.trace(k) / len(k) * np.eye(len(k))
        weights = np.linalg.solve(k + noise, (y[train] - mean).ravel())
        part = (kernel[test][:, :, train].reshape(len(test) * size, -1) @ weights).reshape(-1, size) + mean
        found += np.einsum("sm,abm->sab", part, turn)
    return found


def test_a_further_solution_takes_milliseconds() -> None:
    made = design()
    made.solve(NOISE)
    times = []
    for power in range(7):
        start = time.perf_counter()
        model = made.solve({0: 1e-8 * 10**power, 2: 1e-6})
        times.append(time.perf_counter() - start)
    assert np.median(times) < 0.02 and np.isfinite(model.log_evidence)


def test_predictions_of_the_design_are_those_of_the_model() -> None:
    frames, _ = ice()
    for n_sparse in (None, 12):
        model = fitted(n_sparse=n_sparse)
        found = design(n_sparse=n_sparse).predictions(model, [25, 26])
        np.testing.assert_allclose(found, model.predict(frames[25:27]).values, atol=1e-8)
    other = TensorDesign.build(waters(), **SMALL).solve(NOISE, train=[1, 2])
    with pytest.raises(LabkitError, match="not fitted by this design"):
        design().predictions(other, [3])


def test_subsets_do_not_depend_on_what_else_is_in_the_design() -> None:
    """With all features and no sparse points, frames that are not trained on have no influence at all."""
    frames, _ = ice()
    settings = {**SMALL, "n_features": None}
    wide = TensorDesign.build(frames[:12], **settings).solve(NOISE, train=[0, 2, 5])
    narrow = TensorDesign.build(frames[[0, 2, 5]], **settings).solve(NOISE)
    for ours, theirs in zip(wide.predict(frames[20:22]), narrow.predict(frames[20:22])):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert wide.metadata["train"]["hash"] == narrow.metadata["train"]["hash"]


def test_a_model_moves_as_a_module() -> None:
    frames, _ = ice()
    model = design().solve(NOISE)
    before = model.predict(frames[40])
    assert model.to("cpu") is model and model.double() is model
    np.testing.assert_array_equal(before.spread, model.predict(frames[40]).spread)


@pytest.mark.gpu
def test_the_same_on_a_gpu() -> None:
    from labkit.base import State, find_neighbours

    frames, _ = ice()
    model = design().solve(NOISE)
    expected = model.predict(frames[40:44], spread=False).values
    model.cuda()
    state = State.from_atoms(frames.atoms[40:44], device="cuda")
    near = find_neighbours(state.system, state.positions, state.cell, model.cutoff)
    found = model(state.system, state.positions, state.cell, near)
    np.testing.assert_allclose(found.detach().cpu().numpy(), expected, atol=1e-9)
    np.testing.assert_allclose(model.predict(frames[40:44]).values, expected, atol=1e-9)
    model.cpu()


def test_stop_ends_the_work() -> None:
    class Stop:
        def update(self, step: int, total: int, **metrics) -> None: ...

        def should_stop(self) -> bool:
            return True

    with pytest.raises(Stopped):
        TensorDesign.build(waters(), "dipole", **SMALL, progress=Stop())
    with pytest.raises(Stopped):
        fitted().predict(ice()[0], progress=Stop())


def test_frames_without_the_property() -> None:
    frames = labkit.datasets.ice("train", n=50)
    with pytest.raises(LabkitError, match=r"of 50 frames have no polarizability \(the first: frame \d+\).*with_label"):
        TensorDesign.build(frames)
    bare = waters(3)
    del bare[1].info["dipole"]
    with pytest.raises(LabkitError, match="1 of 3 frames have no dipole"):
        TensorDesign.build(bare, "dipole")
    assert len(with_label(bare, "dipole")) == 2


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ones(6), r"frame 2: polarizability has the shape \(6,\), expected \(3, 3\)"),
        (np.diag([1.0, np.nan, 1.0]), "frame 2: polarizability holds nan"),
        ("many", "frame 2: polarizability is 'many', expected numbers"),
        (np.eye(3) + np.eye(3, k=1) * 0.1, "frame 2: polarizability is not symmetric, xy and yx differ by 10 %"),
    ],
)
def test_labels_that_cannot_be_right(value, message: str) -> None:
    frames = waters(4)
    frames[2].info["polarizability"] = value
    with pytest.raises(LabkitError, match=message):
        TensorDesign.build(frames, **SMALL)


def test_labels_that_look_odd_are_noted() -> None:
    frames = waters(4)
    assert TensorDesign.build(frames, **SMALL).notes == []
    for atoms in frames:
        atoms.info["polarizability"] = atoms.info["polarizability"] / 0.148
    (note,) = TensorDesign.build(frames, **SMALL).notes
    assert "too large for Å^3" in note and "a.u." in note
    frames[1].info["polarizability"][0, 1] *= 1.0 + 1e-4
    assert any("was made symmetric" in note for note in TensorDesign.build(frames, **SMALL).notes)


def test_more_points_than_there_are_environments_are_noted() -> None:
    made = TensorDesign.build(waters(4), "dipole", **{**SMALL, "n_sparse": 6})
    assert made.notes == ["n_sparse clipped from 6 to 4 for O: the frames have no more environments"]
    assert made.columns == 10


def test_periodic_and_open_frames_are_not_mixed() -> None:
    frames = waters(3)
    frames[2].set_cell([9, 9, 9])
    frames[2].pbc = True
    with pytest.raises(LabkitError, match="frame 0 is open and frame 2 is periodic"):
        TensorDesign.build(frames, **SMALL)
    assert TensorDesign.build(frames, "energy", **SMALL).solve().predict(frames).values.shape == (3,)
    with pytest.raises(LabkitError, match="trained on frames that are periodic and frame 0 is open"):
        fitted().predict(waters(1))


def test_born_charges_that_break_the_sum_rule() -> None:
    frames = waters(3)
    frames[1].arrays["born_charges"] = frames[1].arrays["born_charges"] + 1.0
    with pytest.raises(LabkitError, match="frame 1: born_charges sum to 3 e, expected 0"):
        TensorDesign.build(frames, "born_charges", **SMALL)


def test_species_unseen_in_training() -> None:
    with pytest.raises(LabkitError, match="frame 1, atom 0: C is unknown.*H, O"):
        fitted().predict([molecule("H2O"), molecule("CH4")])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(n_features=2000), "n_features is 2000, but lambda = 0 has only 144 features"),
        (dict(n_feature=20), "unknown setting 'n_feature'.*did you mean 'n_features'"),
        (dict(l_max=1), "l_max is 1, but polarizability needs at least 2"),
        (dict(zeta=0.5), "zeta is 0.5, expected 1"),
        (dict(n_sparse=0), "n_sparse is 0"),
        (dict(feature_selection="furthest"), "unknown feature selection"),
        (dict(target="polarisability"), "did you mean 'polarizability'"),
        (dict(target=Target("x", 2, of="cell")), "4 of 4 frames have no x"),
    ],
)
def test_settings_that_make_no_sense(settings: dict, message: str) -> None:
    with pytest.raises(LabkitError, match=message):
        TensorDesign.build(waters(4), **{**SMALL, **settings})


def test_solutions_that_make_no_sense() -> None:
    made = design()
    with pytest.raises(LabkitError, match="regularization has lambda 0, but polarizability has the parts 0, 2"):
        made.solve({0: 1e-6})
    with pytest.raises(LabkitError, match="regularization is -1"):
        made.solve({0: -1, 2: 1e-6})
    with pytest.raises(LabkitError, match="does not select from the 30 frames"):
        made.solve(NOISE, train=[3, 30])
    with pytest.raises(LabkitError, match="no frame was selected"):
        made.solve(NOISE, train=np.zeros(30, bool))


def test_spherical_parts_keep_lengths_and_come_back() -> None:
    generator = torch.Generator().manual_seed(0)
    for target in (Target("s"), Target("v", 1), Target("t", 2, symmetric=False)):
        values = torch.randn(5, *target.shape, generator=generator, dtype=torch.float64)
        parts = target.to_spherical(values)
        torch.testing.assert_close(target.to_cartesian(parts), values)
        length = sum(part.square().sum(1) for part in parts.values())
        torch.testing.assert_close(length, values.reshape(5, -1).square().sum(1))
    torch.testing.assert_close(parts[0][:, 0], values.diagonal(dim1=1, dim2=2).sum(1) / 3**0.5)


def test_threads_solve_at_the_same_time() -> None:
    """Panels do; more sets of frames than are kept, so that some go while others are asked for."""
    frames, _ = ice()
    made = TensorDesign.build(frames[:24], **SMALL)
    alone = TensorDesign.build(frames[:24], **SMALL)
    sizes = [5 + k % 16 for k in range(64)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda size: made.predictions(made.solve(NOISE, train=range(size)), [23]), sizes))
    for size, values in zip(sizes[:16], found[:16]):
        np.testing.assert_array_equal(values, alone.predictions(alone.solve(NOISE, train=range(size)), [23]))
        assert all(np.array_equal(values, again) for again in found[sizes.index(size) :: 16])


def test_a_design_travels_to_a_worker() -> None:
    made = design()
    again = copy.deepcopy(made)  # by its state, as a pickle
    np.testing.assert_array_equal(again.predictions(again.solve(NOISE), [3]), made.predictions(made.solve(NOISE), [3]))
