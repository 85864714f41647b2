"""What every oracle keeps to: derivatives, rotation, stop, resume, nothing from an SCF that did not converge."""

import dataclasses

import numpy as np
import pytest
from ase.constraints import FixAtoms
from ase.stress import voigt_6_to_full_3x3_stress
from oracles.cases import CASES, each_case
from scipy.spatial.transform import Rotation

from labkit.errors import LabkitError, Stopped
from labkit.oracles import ORACLES, Label, LabelStore, Unconverged

pytestmark = pytest.mark.parametrize("case", each_case())


class StopAfter:
    """Asks to stop once `frames` are done."""

    def __init__(self, frames):
        self.frames, self.done = frames, 0

    def update(self, step, total, **metrics):
        self.done = step

    def should_stop(self):
        return self.done >= self.frames


def derivative(energy, h):
    """By four points, right to h^4."""
    return (8 * (energy(h) - energy(-h)) - (energy(2 * h) - energy(-2 * h))) / (12 * h)


def test_forces_are_the_derivative_of_the_energy(case):
    label = case.oracle.compute(case.atoms)
    assert label.forces.shape == (len(case.atoms), 3)
    for atom, axis in ((0, 0), (len(case.atoms) - 1, 2)):

        def energy(h, atom=atom, axis=axis):
            moved = case.atoms.copy()
            moved.positions[atom, axis] += h
            return case.oracle.compute(moved).energy

        assert label.forces[atom, axis] == pytest.approx(-derivative(energy, case.step), abs=case.forces)


def test_stress_is_the_derivative_with_strain(case):
    oracle = case.fine or case.oracle
    label = oracle.compute(case.atoms)
    assert (label.stress is not None) == bool(case.atoms.pbc.all())
    if label.stress is None:
        return
    for a, b in ((0, 0), (1, 2)):

        def energy(h, a=a, b=b):
            strain = np.zeros((3, 3))
            strain[a, b] += h / 2
            strain[b, a] += h / 2
            strained = case.atoms.copy()
            strained.set_cell(case.atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
            return oracle.compute(strained).energy

        expected = derivative(energy, case.step) / case.atoms.get_volume()
        assert label.stress[a, b] == pytest.approx(expected, abs=case.stress)


def test_a_rotated_frame_has_rotated_labels(case):
    turn = Rotation.from_rotvec([0.3, -0.5, 0.8]).as_matrix()
    rotated = case.atoms.copy()
    rotated.set_cell(case.atoms.cell.array @ turn.T)
    rotated.positions = case.atoms.positions @ turn.T
    one, two = case.oracle.compute(case.atoms), case.oracle.compute(rotated)
    assert two.energy == pytest.approx(one.energy, abs=case.rotation)
    np.testing.assert_allclose(two.forces, one.forces @ turn.T, atol=10 * case.rotation)
    if one.stress is not None:
        np.testing.assert_allclose(two.stress, turn @ one.stress @ turn.T, atol=case.rotation)


def test_exchanged_atoms_have_exchanged_forces(case):
    order = np.arange(len(case.atoms))[::-1]
    one, two = case.oracle.compute(case.atoms), case.oracle.compute(case.atoms[order])
    assert two.energy == pytest.approx(one.energy, abs=case.rotation)
    np.testing.assert_allclose(two.forces, one.forces[order], atol=10 * case.rotation)


def test_labelled_frames_carry_what_was_computed(case, tmp_path):
    """Also on a frame with constraints and labels of its own, whose forces ASE would set to zero."""
    frame = case.atoms.copy()
    frame.set_constraint(FixAtoms([0]))
    frame.info["REF_energy"] = 3.0
    with LabelStore(tmp_path / "labels.sqlite") as store:
        (labelled,) = case.oracle.label([frame], store)
        found = store.get(frame, case.oracle)
        (stored,) = store.frames(case.oracle)
    label = case.oracle.compute(case.atoms)
    for atoms in (labelled, stored):
        assert atoms.get_potential_energy() == pytest.approx(label.energy, abs=1e-6)
        np.testing.assert_allclose(atoms.get_forces(), label.forces, atol=1e-5)
        np.testing.assert_array_equal(atoms.get_forces(), found.forces)
        if label.stress is None:
            assert "stress" not in atoms.calc.results
        else:
            full = voigt_6_to_full_3x3_stress(atoms.get_stress())
            np.testing.assert_allclose(full, label.stress, atol=1e-6)
        assert atoms.info["oracle"] == case.oracle.name
        np.testing.assert_array_equal(atoms.positions, frame.positions)
    assert labelled.info["REF_energy"] == 3.0 and frame.calc is None
    assert (
        found.program.split()[0] in ("ase", "tblite", "PySCF", "pw.x", "LAMMPS")
        and found.program.split()[1][0].isdigit()
    )


def test_a_stopped_run_goes_on(case, tmp_path):
    frames = case.frames(3)
    with LabelStore(tmp_path / "labels.sqlite") as store:
        first = []
        with pytest.raises(Stopped):
            first.extend(case.oracle.label(frames, store, progress=StopAfter(1)))
        assert len(store) == 1
        every = list(case.oracle.label(frames, store))
        spent = store.calculations(case.oracle)
        assert [c.outcome for c in spent] == 3 * ["labelled"]
        assert all(c.seconds > 0 and c.cores >= 1 and c.program for c in spent)
        again = list(case.oracle.label(frames, store))
        assert len(store.calculations()) == 3
    energies = [atoms.get_potential_energy() for atoms in every]
    assert energies == [atoms.get_potential_energy() for atoms in again] and len(set(energies)) == 3


def test_an_unconverged_scf_is_no_label(case, tmp_path):
    if case.unconverged is None:
        pytest.skip("a classical potential has no SCF")
    with pytest.raises(Unconverged, match=r"converge"):
        case.unconverged.compute(case.atoms)
    with LabelStore(tmp_path / "labels.sqlite") as store:
        with pytest.raises(LabkitError, match=r"1 of 1 frames could not be labelled. Frame 0: .*converge"):
            list(case.unconverged.label([case.atoms], store))
        assert len(store) == 0 and store.get(case.atoms, case.unconverged) is None
        (spent,) = store.calculations()
        assert spent.outcome == "unconverged" and spent.seconds > 0 and "converge" in spent.message


def test_every_setting_is_in_the_hash_unless_it_says_so(case):
    changed = {str: lambda x: x, int: lambda x: x + 1, float: lambda x: 2 * x, bool: lambda x: not x}
    for field in dataclasses.fields(case.oracle):
        old = getattr(case.oracle, field.name)
        if type(old) not in changed or type(old) is str:
            continue
        other = dataclasses.replace(case.oracle, **{field.name: changed[type(old)](old)})
        assert (other.hash != case.oracle.hash) == field.metadata.get("hashed", True), field.name
    assert dataclasses.replace(case.oracle).hash == case.oracle.hash


def test_results_are_only_numbers_that_make_sense(case):
    label = case.oracle.compute(case.atoms)
    assert isinstance(label, Label) and all(np.isfinite(value).all() for value in label.values.values())
    np.testing.assert_allclose(label.forces.sum(0), 0, atol=50 * case.forces)


@pytest.fixture(autouse=True, scope="module")
def every_kind_has_a_case():
    assert {case.oracle.kind for case in CASES} == set(ORACLES)
