"""A stretched bond: lengths as asked, nothing else moved, and what Quantum ESPRESSO says of it is smooth."""

import numpy as np
import pytest
from ase.build import molecule
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.datasets import ice
from labkit.datasets.stretch import bonds, stretch
from labkit.errors import LabkitError


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 7), st.floats(0.7, 1.5))
def test_one_atom_moves_along_the_bond_of_the_nearest_image(which: int, length: float) -> None:
    atoms = ice("minimum").atoms[0]
    first, second = bonds(atoms, (8, 1))[which]
    (moved,) = stretch(atoms, (first, second), [length])
    assert moved.get_distance(first, second, mic=True) == pytest.approx(length, abs=1e-9)
    others = np.delete(np.arange(len(atoms)), second)
    assert np.array_equal(moved.positions[others], atoms.positions[others])
    before = atoms.get_distance(first, second, mic=True, vector=True)
    after = moved.get_distance(first, second, mic=True, vector=True)
    assert np.allclose(np.cross(before, after), 0, atol=1e-9) and before @ after > 0


def test_every_molecule_of_ice_has_two_bonds() -> None:
    pairs = bonds(ice("minimum").atoms[0], (8, 1))
    assert len(pairs) == 8 and sorted(np.bincount(pairs[:, 0])[np.unique(pairs[:, 0])]) == [2, 2, 2, 2]
    assert bonds(molecule("H2"), (1, 1)).tolist() == [[0, 1]]


def test_shipped_forces_are_the_slope_of_the_shipped_energies() -> None:
    """Along the bond: -dE/dr of a cubic spline through the energies is the force on the moved hydrogen."""
    from scipy.interpolate import CubicSpline

    scan = ice("stretch")
    oxygen, hydrogen = bonds(ice("minimum").atoms[0], (8, 1))[0]
    lengths = np.array([info["length"] for info in scan.info])
    forces = []
    for frame, atoms in enumerate(scan.atoms):
        along = atoms.get_distance(oxygen, hydrogen, mic=True, vector=True)
        forces.append(scan.forces[scan.offsets[frame] + hydrogen] @ along / np.linalg.norm(along))
    slope = CubicSpline(lengths, scan.energy).derivative()(lengths)
    assert np.allclose(forces[2:-2], -slope[2:-2], atol=0.06)  # eV/Å, of forces of up to 12
    assert lengths[scan.energy.argmin()] == pytest.approx(1.0)


@pytest.mark.parametrize("bond", [(0, 0), (0, 12), (-1, 3)])
def test_bad_bonds_are_told(bond: tuple[int, int]) -> None:
    with pytest.raises(LabkitError, match="expected two different atoms from 0 to 11"):
        stretch(ice("minimum").atoms[0], bond, [1.0])
