"""Errors by component and by λ, and learning curves from one design."""

import numpy as np
import pytest
from polarizability.cells import design

from labkit.errors import LabkitError, Stopped
from labkit.polarizability import errors, learning_curve, noise_map


def test_squares_of_the_parts_are_those_of_the_components() -> None:
    noise = np.random.default_rng(0).normal(size=(7, 3, 3))
    found = errors(np.zeros((7, 3, 3)), noise + noise.swapaxes(1, 2))
    nine = [name for name in found.index if isinstance(name, str)]
    assert len(nine) == 9 and found[[0, 2]].pow(2).sum() == pytest.approx(found[nine].pow(2).sum())
    assert found["xy"] == found["yx"] == pytest.approx(np.sqrt(np.mean((noise + noise.swapaxes(1, 2))[:, 0, 1] ** 2)))
    assert errors(np.zeros((2, 3)), np.full((2, 3), 2.0), "dipole").to_dict() == pytest.approx(
        {"x": 2.0, "y": 2.0, "z": 2.0, 1: np.sqrt(12)}
    )
    with pytest.raises(LabkitError, match=r"the shape \(7, 3\), expected \(n, 3, 3\)"):
        errors(np.zeros((7, 3)), np.zeros((7, 3)))


def test_every_row_is_the_fit_of_the_first_frames() -> None:
    made, noise = design(), {0: 1e-6, 2: 1e-3}
    train, test = [5, 3, 1, 7, 9, 11, 13, 15, 17, 19, 21, 23, 0, 2, 4, 6], range(24, 30)
    curve = learning_curve(made, noise, train=train, test=test)
    assert curve.index.tolist() == [8, 16]
    model = made.solve(noise, train=train[:8])
    off = made.predictions(model, test) - made.truth(test)
    assert curve.loc[8, "xz"] == pytest.approx(np.sqrt(np.mean(off[:, 0, 2] ** 2)))
    assert curve["xy"].equals(curve["yx"]) and (curve.loc[16, [0, 2]] < curve.loc[8, [0, 2]]).all()


def test_a_curve_and_the_map_tell_the_same_length() -> None:
    made = design()
    labels, found = made.leave_out(1e-3, range(24))[2]
    length = float((labels - found).square().sum(1).mean().sqrt())
    assert noise_map(made, [1e-3], train=range(24)).loc[1e-3, 2] == pytest.approx(length)
    parts = (
        made.target.to_cartesian({0: labels[:, :1] * 0, 2: labels}),
        made.target.to_cartesian({0: labels[:, :1] * 0, 2: found}),
    )
    assert errors(*(part.numpy() for part in parts))[2] == pytest.approx(length)


def test_sizes_that_there_are_not_and_stop() -> None:
    with pytest.raises(LabkitError, match=r"sizes are \[0, 4\], expected numbers from 1 to 8"):
        learning_curve(design(), 1e-3, train=range(8), test=[9], sizes=[4, 0])

    class Stop:
        def update(self, *_, **__) -> None: ...

        def should_stop(self) -> bool:
            return True

    with pytest.raises(Stopped):
        learning_curve(design(), 1e-3, train=range(8), test=[9], progress=Stop())
