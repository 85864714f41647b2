"""Labels in other units than eV are suspected by their size alone, and right ones are not."""

from dataclasses import replace

import numpy as np
import pytest

import labkit
from labkit.datasets import Dataset, DatasetWarning, ice
from labkit.datasets.audit.quick import quick_look
from labkit.datasets.magnitudes import suspicious
from labkit.units import HARTREE, KCAL_PER_MOL, KJ_PER_MOL

FEW = ice("train", n=50)[:5]  # too few for the rest of the audit


def molecule(energy: float, force: float) -> Dataset:
    """Water, 3 frames."""
    positions = np.tile([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]], (3, 1, 1)) + np.arange(3)[:, None, None] * 0.01
    forces = np.full((9, 3), force) * np.array([1, -1, 1])
    return Dataset.from_arrays(positions, [8, 1, 1], energy=np.full(3, energy), forces=forces)


def test_right_labels_are_not_suspected() -> None:
    assert quick_look(FEW) == ""
    assert quick_look(molecule(-76.4 * HARTREE, 1.2)) == ""  # all electrons
    assert quick_look(molecule(-9.5, 8.0)) == ""  # of atomization, hot


@pytest.mark.parametrize(("unit", "name"), [(KCAL_PER_MOL, "kcal/mol"), (KJ_PER_MOL, "kJ/mol")])
def test_energies_below_those_of_all_electrons(unit, name) -> None:
    found = quick_look(molecule(-76.4 * HARTREE / unit, 0.1))
    assert f"they are not in eV; perhaps in {name}" in found and "frame 0" in found


def test_forces_that_no_bonds_make() -> None:
    found = quick_look(molecule(-9.5, 1.2 / KCAL_PER_MOL))
    assert "forces of 27.7" in found and "perhaps in kcal/mol/Å" in found


def test_loading_says_it(tmp_path) -> None:
    replace(FEW, forces=FEW.forces / KCAL_PER_MOL).write(tmp_path / "a.xyz")
    with pytest.warns(DatasetWarning, match="a.xyz: forces of .* perhaps in .*kcal/mol/Å"):
        labkit.load(tmp_path / "a.xyz")


def test_beads_have_no_electrons() -> None:
    numbers, offsets = np.zeros(4, int), np.array([0, 2, 4])
    assert suspicious(numbers, offsets, {"energy": np.full(2, -1e6), "forces": np.full((4, 3), np.nan)}) == []
