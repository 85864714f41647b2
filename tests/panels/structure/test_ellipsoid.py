"""The polarizability as an ellipsoid: its axes are those of the tensor, and it turns with the atoms."""

import numpy as np
import pytest
from ase.build import molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from labkit.panels import StructurePanel
from labkit.panels.structure.ellipsoid import EllipsoidScale


def water(label, predicted=None):
    atoms = molecule("H2O")
    atoms.info["polarizability"] = np.asarray(label, float)
    if predicted is not None:
        atoms.info["predicted_polarizability"] = np.asarray(predicted, float)
    return atoms


def points(lines) -> np.ndarray:
    return np.concatenate([pieces.reshape(-1, 3) for pieces, _ in lines])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_it_turns_with_the_crystal(seed) -> None:
    rng = np.random.default_rng(seed)
    part = rng.normal(size=(3, 3))
    tensor = 6.0 * np.eye(3) + 0.2 * (part + part.T)
    turn = Rotation.random(random_state=seed).as_matrix()
    atoms = water(tensor)
    scale = EllipsoidScale.of(atoms)
    turned = water(turn @ tensor @ turn.T)
    turned.positions = atoms.positions @ turn.T
    here = points(scale.lines(atoms)) - atoms.positions.mean(0)
    there = points(scale.lines(turned)) - turned.positions.mean(0)
    inverse = np.linalg.inv(scale.axes(turn @ tensor @ turn.T))  # the surface |x A⁻¹| = 1 that was turned
    assert np.linalg.norm(here @ turn.T @ inverse, axis=1) == pytest.approx(1.0, abs=1e-9)
    assert np.linalg.norm(there @ inverse, axis=1) == pytest.approx(1.0, abs=1e-9)


def test_axes_are_those_of_the_tensor_with_differences_enlarged() -> None:
    atoms = water(np.diag([5.9, 6.0, 6.1]))
    scale = EllipsoidScale.of(atoms)
    assert scale.mean == pytest.approx(6.0) and scale.enlarged == 30.0  # 0.45 / (0.1 / 6), one digit
    lengths = np.linalg.norm(scale.axes(np.diag([5.9, 6.0, 6.1])), axis=1) / scale.radius
    assert lengths == pytest.approx([0.5, 1.0, 1.5])
    larger = np.linalg.norm(scale.axes(1.01 * 6.0 * np.eye(3)), axis=1) / scale.radius
    assert larger == pytest.approx(1.3)  # the size is compared with the same mean


def test_the_panel_draws_both_and_says_how_much_they_are_enlarged() -> None:
    panel = StructurePanel(water(np.diag([5.9, 6.0, 6.1]), np.diag([5.9, 6.1, 6.0])))
    (label, green), *_, (predicted, orange) = panel.model.shown_lines()
    assert len(panel.model.shown_lines()) == 6 and green != orange
    assert len(predicted) == len(label) / 2  # dashed
    assert "differences 30 times as large" in panel.model.describe()
    before = panel.model.picture
    panel.model.still = True
    with_ellipsoid = panel.model.picture
    panel.model.begin(molecule("H2O"))
    assert panel.model.shown_lines() == [] and "ellipsoid" not in panel.model.describe()
    assert len({before, with_ellipsoid, panel.model.picture}) == 3
    assert StructurePanel(molecule("H2O")).model.shown_lines() == []


def test_predicted_forces_are_arrows_of_their_own() -> None:
    atoms = molecule("H2O")
    atoms.arrays["forces"], atoms.arrays["predicted_forces"] = np.ones((3, 3)), 2 * np.ones((3, 3))
    model = StructurePanel(atoms).model
    assert model.shown_arrows() is None and model.shown_predictions() is None
    model.arrows = True
    np.testing.assert_allclose(model.shown_predictions(), 2 * model.shown_arrows())
