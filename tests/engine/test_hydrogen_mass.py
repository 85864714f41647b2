"""Heavy hydrogens: totals stay, water is left alone, impossible masses are named."""

import pytest
import torch
from ase.build import molecule
from ase.neighborlist import natural_cutoffs, neighbor_list

from labkit.engine import hydrogen_mass_repartitioning
from labkit.errors import LabkitError


def parts(name: str):
    frame = molecule(name)
    i, j = neighbor_list("ij", frame, natural_cutoffs(frame, mult=1.2))
    bonds = torch.tensor([(a, b) for a, b in zip(i.tolist(), j.tolist(), strict=True) if a < b])
    return torch.as_tensor(frame.get_masses()), bonds, torch.as_tensor(frame.numbers)


def test_ethanol() -> None:
    masses, bonds, numbers = parts("CH3CH2OH")
    new = hydrogen_mass_repartitioning(masses, bonds, numbers, mass=3.024)
    assert float(new.sum()) == pytest.approx(float(masses.sum()))
    assert bool((new[numbers == 1] == 3.024).all())
    lost = sorted((masses - new)[numbers != 1].tolist())
    assert lost == pytest.approx([2.016, 2 * 2.016, 3 * 2.016])
    assert torch.equal(masses, parts("CH3CH2OH")[0])


def test_water_only_when_asked() -> None:
    masses, bonds, numbers = parts("H2O")
    assert torch.equal(hydrogen_mass_repartitioning(masses, bonds, numbers), masses)
    with_hh = torch.cat([bonds, torch.tensor([[1, 2]])])  # as some water models list it
    assert torch.equal(hydrogen_mass_repartitioning(masses, with_hh, numbers), masses)
    heavy = hydrogen_mass_repartitioning(masses, bonds, numbers, water=True)
    assert heavy[1:].tolist() == [3.0, 3.0] and float(heavy.sum()) == pytest.approx(float(masses.sum()))


def test_too_heavy() -> None:
    with pytest.raises(LabkitError, match="atom 0 would weigh 0.0"):
        hydrogen_mass_repartitioning(*parts("CH4"), mass=4.0)
