"""What a report says of contents, geometry, units and single frames; sets of every kind get one."""

import json
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

import labkit
from labkit.base import Progress
from labkit.datasets import Dataset
from labkit.datasets.audit import audit
from labkit.datasets.audit.basis import Basis
from labkit.datasets.listed import listed
from labkit.datasets.pairs import find_pairs
from labkit.errors import LabkitError, Stopped
from labkit.units import BOHR, HARTREE, KCAL_PER_MOL


def labelled(atoms):
    atoms.calc = EMT()
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
    return atoms


def rattled(start, count, size=0.08):
    frames = []
    for k in range(count):
        atoms = start.copy()
        atoms.rattle(size, seed=k)
        frames.append(labelled(atoms))
    return Dataset.from_atoms(frames, name="rattled")


@pytest.fixture(scope="module")
def metal():
    return rattled(bulk("Cu", cubic=True) * (2, 1, 1), 40)


@pytest.fixture(scope="module")
def ice():
    return labkit.datasets.ice("train", n=60)


def topics(report):
    return [f.topic for f in report.problems]


@pytest.mark.parametrize("start", [molecule("CH3CH2OH"), bulk("Cu", cubic=True) * (2, 1, 1)])
def test_forces_of_the_basis_are_the_derivatives_of_its_energies(start):
    start.rattle(0.1, seed=1)
    basis, h = Basis.of([start]), 1e-5
    forces, _ = basis.rows(find_pairs([start]))
    for atom, axis in ((0, 0), (1, 2)):
        ends = []
        for sign in (1, -1):
            moved = start.copy()
            moved.positions[atom, axis] += sign * h
            ends.append(basis.rows(find_pairs([moved]))[1][0])
        np.testing.assert_allclose(forces[atom, axis], -(ends[0] - ends[1]) / (2 * h), atol=2e-8)


def test_energies_of_the_basis_do_not_change_by_rotation(ice):
    atoms = ice.atoms[0].copy()
    basis = Basis.of([atoms])
    turned = atoms.copy()
    turned.rotate(37, (1, 2, 3), rotate_cell=True)
    one, other = (basis.rows(find_pairs([a]))[1] for a in (atoms, turned))
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_a_clean_set_has_notes_only(metal, ice):
    for frames in (metal, ice):
        report = audit(frames)
        assert {f.severity for f in report.findings} == {"note"}
        assert {"contents", "ranges", "forces alignment", "units"} <= {f.topic for f in report.findings}
    assert "60 × (H₂O)₄" in str(report) and "elements H, O" in str(report)


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_few_frames_get_a_report(ice, count):
    report = audit(ice[:count])
    assert not report.problems and f"{count} frames" in report.head()
    if count < 6:
        assert "not tested: too few frames" in report.about("forces alignment")[0].text


def test_sets_without_energies_or_forces(ice):
    no_energy = audit(replace(ice, energy=np.full(len(ice), np.nan)))
    no_forces = audit(replace(ice, forces=np.full_like(ice.forces, np.nan)))
    assert "no frame has energy" in str(no_energy) and "no frame has forces" in str(no_forces)
    assert no_energy.about("forces alignment")[0].text.startswith("forces belong to their frames")
    assert not no_energy.problems and not no_forces.problems
    assert not audit(replace(ice, forces=no_forces.dataset.forces, energy=no_energy.dataset.energy)).problems


def test_an_empty_set_is_said_in_words(ice):
    with pytest.raises(LabkitError, match="is empty; expected at least one frame"):
        audit(ice[:0])


def test_a_mixed_set_of_open_and_periodic_frames(metal, ice):
    gas = [labelled(molecule(name)) for name in ("CH4", "H2O", "N2", "CO2", "O2")]
    mixed = metal + ice[:20] + Dataset.from_atoms(gas) + Dataset.from_atoms([labelled(Atoms("H"))])
    report = audit(mixed)
    assert "60 periodic, 6 open" in report.about("contents")[0].text
    assert report.about("energy per composition")


def test_missing_labels_name_the_frames(ice):
    forces = ice.forces.copy()
    forces[12 * 5 + 3], forces[12 * 9] = np.nan, np.nan
    (found,) = [f for f in audit(replace(ice, forces=forces)).about("missing labels") if f.severity == "warning"]
    assert found.frames == (5, 9) and "2 of 60 frames have no forces: frames 5, 9" in found.text


def test_duplicates_even_turned_and_renumbered(ice):
    copy = ice.atoms[7].copy()
    copy.rotate(50, (0, 1, 1), rotate_cell=True)
    copy = copy[np.r_[0, 2, 1, 3 : len(copy)]]  # two hydrogens change places
    assert copy.numbers.tolist() == ice.atoms[7].numbers.tolist()
    twice = ice + replace(ice[7], atoms=[copy])
    report = audit(twice)
    (found,) = report.about("duplicates")
    assert found.frames == (7, 60) and "7 = 60" in found.text
    other = replace(ice[7], energy=ice.energy[7:8] + 0.5)
    assert "duplicates disagree" in topics(audit(ice + other))


def test_near_duplicates_are_a_note(ice):
    near = ice.atoms[3].copy()
    near.rattle(0.002, seed=0)
    (found,) = audit(ice + replace(ice[3], atoms=[near])).about("near-duplicates")
    assert found.severity == "note" and found.frames == (3, 60)


def test_atoms_too_close_name_frame_and_atoms(metal):
    frames = [a.copy() for a in metal.atoms]
    frames[6].positions[2] = frames[6].positions[5] + [0.9, 0, 0]
    (found,) = audit(replace(metal, atoms=frames)).about("atoms too close")
    assert found.severity == "problem" and found.frames == (6,)
    assert "atoms 2 (Cu) and 5 (Cu) of frame 6, 0.900 Å apart" in found.text
    frames[6].positions[2] = frames[6].positions[5]
    assert "0.000 Å apart" in str(audit(replace(metal, atoms=frames)))


def test_positions_in_bohr(metal):
    frames = [a.copy() for a in metal.atoms]
    for a in frames:
        a.set_cell(a.cell / BOHR, scale_atoms=True)
    assert "as with bohr instead of Å" in audit(replace(metal, atoms=frames)).about("unit of length")[0].text


def test_wild_forces_name_the_atom(metal):
    forces = metal.forces.copy()
    forces[8 * 4 + 3] = [90.0, 0, 0]
    report = audit(replace(metal, forces=forces))
    assert "the largest is 90 eV/Å, frame 4, atom 3 (Cu)" in report.about("outlier forces")[0].text
    assert report.bad == (4,)


@pytest.mark.parametrize(
    ("energy", "force", "words"),
    [
        (1, HARTREE / BOHR, "forces in Hartree/bohr"),
        (1, HARTREE / BOHR / 2, "forces in Ry/bohr"),
        (1, KCAL_PER_MOL, "forces in kcal/mol/Å"),
        (1, 1 / BOHR, "forces in eV/bohr"),
        (HARTREE, HARTREE / BOHR, "energies in Hartree and forces in Hartree/bohr"),
        (HARTREE, 1, "energies in Hartree"),
        (KCAL_PER_MOL, KCAL_PER_MOL, "both are in that unit"),
        (12, 1, "energies per atom, not per frame of 12 atoms"),
    ],
)
def test_units_are_named(ice, energy, force, words):
    report = audit(replace(ice, energy=ice.energy / energy, forces=ice.forces / force))
    assert topics(report) == ["units"] and words in report.problems[0].text


@pytest.mark.parametrize(
    ("energy", "force", "words"),
    [(1, -1, "the forces (now +dE/dR) have"), (-1, -1, "energies and forces have"), (-1, 1, "the energies have")],
)
def test_signs_are_named(metal, ice, energy, force, words):
    for frames in (metal, ice):
        report = audit(replace(frames, energy=energy * frames.energy, forces=force * frames.forces))
        assert topics(report) == ["sign"] and words in report.problems[0].text


def test_a_composition_with_another_reference(metal):
    sets = [rattled(bulk("Cu", cubic=True) * (2, 1, 1), 8)]
    for gold in range(1, 6):
        start = bulk("Cu", cubic=True, a=3.8) * (2, 1, 1)
        start.numbers[:gold] = 79
        sets.append(rattled(start, 8))
    joined = sum(sets[1:], sets[0])
    assert not [f for f in audit(joined).about("energy per composition") if f.severity == "warning"]
    energy = joined.energy.copy()
    energy[16:24] -= 8 * 25.0
    (found,) = [
        f for f in audit(replace(joined, energy=energy)).about("energy per composition") if f.severity == "warning"
    ]
    assert found.text.startswith("Au2Cu6 (frames 16-23) lies -2") and found.frames == tuple(range(16, 24))


def test_a_report_is_text_html_json_and_csv(ice, tmp_path):
    forces = ice.forces.copy()
    forces[36:48] = forces[60:72]
    report = audit(replace(ice, forces=forces, name="<b>"))
    assert str(report).startswith("<b>: 60 frames, 720 atoms: 1 problem, 0 warnings")
    assert "<b>:" not in report._repr_html_() and "&lt;b&gt;" in report._repr_html_()
    report.write(tmp_path / "report.json")
    read = json.loads((tmp_path / "report.json").read_text())
    assert read["findings"][0]["frames"] == [3] and read["sha256"] == report.dataset.hash
    assert [len(a["error"]) for a in read["alignments"]] == [109, 109]
    assert report.to_csv().splitlines()[1].startswith("problem,forces of single frames,3,")
    with pytest.raises(LabkitError, match="could not be written"):
        report.write(tmp_path / "nowhere" / "report.json")


def test_progress_is_told_and_stop_is_heard(ice):
    class Stop(Progress):
        seen = 0

        def update(self, step, total, **metrics):
            assert 0 <= step <= total and metrics["stage"]
            self.seen += 1

        def should_stop(self):
            return self.seen >= 1

    with pytest.raises(Stopped, match="while going through the frames"):
        audit(ice, progress=Stop())


def test_frames_are_listed_in_runs():
    assert listed([5, 1, 2, 3]) == "frames 1-3, 5"
    assert listed(range(0, 40, 2)).endswith("and 12 more")
