"""The design: learning, independent codes, speed of further solutions, threads."""

import copy
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from descriptors.tabulated import featomic_settings
from polarizability.cells import SMALL, design, fitted, ice, waters

from labkit.descriptors import clebsch_gordan
from labkit.errors import LabkitError, Stopped
from labkit.polarizability import Target, TensorDesign

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
    settings = dict(n_max=2, l_max=2, cutoff=3.5, atom_sigma=0.4)
    made = TensorDesign.build(frames, **settings, n_features=None, zeta=2.0)
    test, truth = np.arange(n, len(frames)), made.truth(np.arange(n, len(frames)))
    kernels = dense_kernels(frames, settings)
    errors = []
    for size in (n // 8, n // 4, n // 2, n):
        mine = rmse(made.predictions(made.solve(NOISE, train=range(size)), test), truth)
        theirs = rmse(ridge(kernels, frames.polarizability, np.arange(size), test), truth)
        assert mine == pytest.approx(theirs, rel=0.05)
        errors.append(theirs)
    assert errors == sorted(errors, reverse=True)


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
    unit = {degree: p / length for degree, p in power.items()}
    numbers = np.concatenate([a.numbers for a in frames.atoms])
    frame = np.repeat(np.arange(len(frames)), frames.counts)
    size = len(frames)
    kernels = {degree: np.zeros((size, 2 * degree + 1, size, 2 * degree + 1)) for degree in power}
    for z in (1, 8):
        columns = np.flatnonzero(numbers == z)
        starts = np.flatnonzero(np.diff(frame[columns], prepend=-1))
        for k in range(size):  # one row at a time: all pairs of atoms would fill the memory
            rows = columns[frame[columns] == k]
            similar = unit[0][rows, 0] @ unit[0][columns, 0].T
            for degree, p in unit.items():
                of_atoms = np.tensordot(p[rows], p[columns], (2, 2)) * similar[:, None, :, None]
                kernels[degree][k] += np.add.reduceat(of_atoms.sum(0), starts, axis=1)
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
