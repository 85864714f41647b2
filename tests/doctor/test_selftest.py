import pytest
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from labkit.doctor.selftest import force_difference, selftest


def test_a_small_gap_passes():
    (check,) = selftest()
    assert check.status == "ok", check.found


def test_consistent_forces_agree():
    assert force_difference(molecule("H2O"), EMT()) < 1e-6


def test_wrong_forces_are_found():
    class Broken(LennardJones):
        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            self.results["forces"] = self.results["forces"] * 1.01

    atoms = molecule("H2O")
    wrong = 0.01 * abs(LennardJones().get_forces(atoms)[0]).max()
    assert force_difference(atoms, Broken()) == pytest.approx(wrong, rel=0.05)
