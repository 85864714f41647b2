"""Faults planted in five chemistries: the report names each, and names nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from labelled.planted import CHEMISTRIES, PLANTED, STRESSES, alloy, metal, reordered

from labkit.datasets import Dataset
from labkit.datasets.audit import audit

WITH_STRESS = tuple(name for name in CHEMISTRIES if name != "ethanol")


def missed(faults, chemistries):
    """Faults that the report does not name, with what it says instead."""
    out = []
    for chemistry in chemistries:
        for fault, (spoil, named) in faults.items():
            report = audit(spoil(CHEMISTRIES[chemistry]()))
            if not named(report):
                out.append((chemistry, fault, [f.text for f in report.problems]))
    return out


@pytest.mark.parametrize("fault", PLANTED)
def test_a_fault_is_named(fault):
    spoil, named = PLANTED[fault]
    report = audit(spoil(CHEMISTRIES["metal"]()))
    assert named(report), str(report)


@pytest.mark.parametrize("fault", STRESSES)
def test_a_fault_of_stresses_is_named_and_repaired(fault):
    spoil, named = STRESSES[fault]
    right = CHEMISTRIES["metal"]()
    report = audit(spoil(right))
    assert named(report), str(report)
    np.testing.assert_allclose(report.repaired().stress, right.stress, atol=1e-12)


def test_an_order_of_atoms_is_repaired():
    right = CHEMISTRIES["metal"]()
    spoil, _ = PLANTED["order of atoms"]
    assert np.array_equal(audit(spoil(right)).repaired().forces, right.forces)


@pytest.mark.parametrize("size", [40.0, 400.0])
def test_an_order_of_atoms_is_repaired_beside_a_wild_force(size):
    wild = with_wild_force(alloy(), size)
    assert np.array_equal(audit(reordered(wild)).repaired().forces, wild.forces)


def with_wild_force(right: Dataset, size: float) -> Dataset:
    """With a force on atom 5 of frame 3 whose components are `size` [eV/Å]."""
    forces = right.forces.copy()
    forces[right.offsets[3] + 5] = size
    return replace(right, forces=forces)


def test_outliers_are_judged_with_the_forces_where_they_belong():
    wild = with_wild_force(alloy(), 40.0)
    (expected,), (found,) = (audit(ds).about("outlier forces") for ds in (wild, reordered(wild)))
    assert "frame 3, atom 5" in expected.text and found.text == expected.text


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nineteen_of_twenty_faults_are_named():
    pytest.importorskip("tblite")
    lost = missed(PLANTED, CHEMISTRIES)
    print(f"{len(PLANTED) * len(CHEMISTRIES) - len(lost)} of {len(PLANTED) * len(CHEMISTRIES)} faults are named")
    assert len(lost) <= 0.05 * len(PLANTED) * len(CHEMISTRIES), lost


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nineteen_of_twenty_faults_of_stresses_are_named():
    lost = missed(STRESSES, WITH_STRESS)
    print(f"{len(STRESSES) * len(WITH_STRESS) - len(lost)} of {len(STRESSES) * len(WITH_STRESS)} faults are named")
    assert len(lost) <= 0.05 * len(STRESSES) * len(WITH_STRESS), lost


def test_volume_scans_need_no_model():
    """Perfect crystals have no forces; energies of cells of several sizes judge their stresses."""
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from labelled.frames import labelled

    cells = []
    for scale in np.linspace(0.95, 1.05, 16):
        atoms = bulk("Cu", cubic=True)
        atoms.set_cell(atoms.cell * scale, scale_atoms=True)
        cells.append(atoms)
    scan = labelled(cells, EMT())
    assert "energies of cells" in audit(scan).about("stress")[0].sure and not audit(scan).problems
    for fault in ("GPa", "kbar", "sign", "virial"):
        spoil, named = STRESSES[fault]
        assert named(audit(spoil(scan))), str(audit(spoil(scan)))


def test_missing_stresses_of_open_frames_are_no_fault():
    right = metal()[:30]
    some = right.stress.copy()
    some[4] = np.nan
    (found,) = audit(replace(right, stress=some)).about("missing labels")
    assert found.frames == (4,)
