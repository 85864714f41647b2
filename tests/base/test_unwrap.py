"""Molecules are whole after unwrapping; networks that span the cell are unchanged."""

import numpy as np
from ase.build import bulk

import labkit
from labkit.base.bonds import bonds
from labkit.base.unwrap import unwrap_molecules


def test_whole_molecules_keep_all_distances():
    atoms = labkit.datasets.ice("valid", n=6).atoms[0]
    shifted = atoms.copy()
    shifted.positions += [1.1, 0.7, 2.9]
    shifted.wrap()
    mended = unwrap_molecules(shifted)
    np.testing.assert_allclose(mended.get_all_distances(mic=True), atoms.get_all_distances(mic=True), atol=1e-9)
    oxygens = np.flatnonzero(atoms.numbers == 8)
    assert len(bonds(mended)) == 8 and len(bonds(shifted)) < 8
    assert all(np.isin(pair, oxygens).sum() == 1 for pair in bonds(mended))


def test_a_crystal_stays_as_it_is():
    copper = bulk("Cu", cubic=True)
    np.testing.assert_array_equal(unwrap_molecules(copper).positions, copper.positions)
