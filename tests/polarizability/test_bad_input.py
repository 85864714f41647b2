"""What cannot be learned, or looks odd, is said in a sentence that names it and what to do."""

import numpy as np
import pytest
from ase.build import molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from polarizability.cells import SMALL, design, fitted, ice, waters

import labkit.datasets
from labkit.errors import LabkitError
from labkit.polarizability import TARGETS, Target, TensorDesign, with_label
from labkit.polarizability.labels import read_labels

NOISE = {0: 1e-6, 2: 1e-4}
NUMBERS = st.floats(-1e3, 1e3)


def test_frames_without_the_property() -> None:
    frames = labkit.datasets.ice("train")
    with pytest.raises(LabkitError, match=r"of 400 frames have no polarizability \(the first: frame \d+\).*with_label"):
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


def test_a_dielectric_tensor_is_noticed() -> None:
    """Its size would do for a polarizability; what it would mean for the cell does not."""
    frames, _ = ice()
    copies = [atoms.copy() for atoms in frames.atoms[:4]]
    for atoms, info in zip(copies, frames.info):
        atoms.info["polarizability"] = np.array(info["dielectric"])
    made = TensorDesign.build(copies, **SMALL)
    assert any("dielectric tensor" in note and "V (epsilon - 1)/4π" in note for note in made.notes)
    assert made.solve().metadata["notes"] == made.notes
    for atoms, tensor in zip(copies, frames.polarizability):
        atoms.info["polarizability"] = tensor
    assert not any("dielectric" in note for note in TensorDesign.build(copies, **SMALL).notes)
    for atoms in waters(3):  # a molecule in a box is no crystal of low density
        atoms.set_cell([12, 12, 12])
        atoms.pbc = True
        assert read_labels([atoms], TARGETS["polarizability"])[1] == []


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
    frames[1].arrays["born_charges"] = frames[1].arrays["born_charges"] + 0.05
    (note,) = TensorDesign.build(frames, "born_charges", **SMALL).notes
    assert "sum to up to 0.15 e a cell instead of 0: the mean over atoms was subtracted" in note
    frames = waters(3)
    frames[1].arrays["born_charges"] = frames[1].arrays["born_charges"] + 1.0
    with pytest.raises(LabkitError, match="frame 1: born_charges sum to 3 e, expected 0"):
        TensorDesign.build(frames, "born_charges", **SMALL)


def test_species_unseen_in_training() -> None:
    with pytest.raises(LabkitError, match="frame 1, atom 0: C is unknown.*H, O"):
        fitted().predict([molecule("H2O"), molecule("CH4")])
    with pytest.raises(LabkitError, match="frame 1, atom 0: C is unknown"):
        design().committee().predict([molecule("H2O"), molecule("CH4")])


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


@settings(max_examples=40, deadline=None)
@given(arrays(float, (3, 3, 3), elements=NUMBERS))
def test_labels_come_back_as_they_are(tensors: np.ndarray) -> None:
    """Symmetric ones of cells in rows or whole; those of atoms with an antisymmetric part."""
    whole, flat = waters(3), waters(3)
    tensors = tensors + tensors.swapaxes(1, 2)
    for one, other, tensor in zip(whole, flat, tensors):
        one.info["polarizability"], other.info["polarizability"] = tensor, tensor.ravel().tolist()
    for frames in (whole, flat):
        np.testing.assert_array_equal(read_labels(frames, TARGETS["polarizability"])[0], tensors)
    charges = tensors - tensors.mean(0)
    whole[0].arrays["born_charges"] = charges.reshape(3, 9)
    values, notes = read_labels(whole[:1], TARGETS["born_charges"])
    np.testing.assert_array_equal(values, charges)
    assert notes == []


@settings(max_examples=40, deadline=None)
@given(arrays(float, array_shapes(max_dims=3, max_side=4), elements=st.floats(width=64)))
def test_any_array_is_a_label_or_a_sentence(value: np.ndarray) -> None:
    frames = waters(2)
    frames[1].info["polarizability"] = value
    try:
        values, _ = read_labels(frames, TARGETS["polarizability"])
    except LabkitError as error:
        assert str(error).startswith("frame 1: polarizability")
    else:
        assert np.isfinite(values).all() and values.shape == (2, 3, 3)
        np.testing.assert_array_equal(values, values.swapaxes(1, 2))
