"""Spread: units, the largest of each system, sums of independent errors."""

import numpy as np
import pytest
import torch
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as some

from labkit.active import Spread, in_quadrature
from labkit.base import State
from labkit.errors import LabkitError

VALUES, REAL = some.floats(0, 1e3), torch.float64


@given(some.lists(some.lists(VALUES, min_size=1, max_size=5), min_size=1, max_size=5))
def test_largest_of_each_system(values: list[list[float]]) -> None:
    system = State.from_atoms([Atoms(f"H{len(v)}", np.arange(3 * len(v)).reshape(-1, 3)) for v in values]).system
    flat = torch.tensor(np.concatenate(values))
    found = Spread(torch.zeros(len(values)), "eV", flat, "eV/Å").max_over_atoms(system)
    assert found.tolist() == [max(v) for v in values]


def test_what_is_not_a_number_is_not_lost_in_the_largest() -> None:
    system = State.from_atoms([Atoms("H2", [[0, 0, 0], [0, 0, 1]])] * 2).system
    values = torch.tensor([0.1, torch.nan, 0.2, 0.3])
    found = Spread(torch.zeros(2), "eV", values, "eV").max_over_atoms(system)
    assert bool(found[0].isnan()) and float(found[1]) == pytest.approx(0.3)


@given(some.lists(some.tuples(VALUES, VALUES, some.booleans()), min_size=1, max_size=4))
def test_independent_errors_add_in_quadrature(parts: list[tuple[float, float, bool]]) -> None:
    spreads = [
        Spread(torch.tensor([a], dtype=REAL), "eV", torch.tensor([b, a], dtype=REAL), "eV/Å", calibrated)
        for a, b, calibrated in parts
    ]
    found, columns = in_quadrature(spreads), np.array([part[:2] for part in parts])
    expected = np.sqrt(np.square(columns).sum(0))  # squares below 1e-300 are zero here
    np.testing.assert_allclose(found.per_system, expected[:1], rtol=1e-12, atol=1e-150)
    np.testing.assert_allclose(found.per_atom, expected[::-1], rtol=1e-12, atol=1e-150)
    assert found.calibrated == all(part[2] for part in parts)
    assert (found.unit_per_system, found.unit_per_atom) == ("eV", "eV/Å")


def test_values_per_atom_that_one_part_lacks_are_left_out() -> None:
    one = torch.ones(1)
    found = in_quadrature([Spread(one, "eV", one, "eV/Å"), Spread(one, "eV")])
    assert found.per_atom is None and found.unit_per_atom is None and float(found.per_system) == pytest.approx(2**0.5)


def test_errors() -> None:
    one = torch.ones(1)
    system = State.from_atoms(Atoms("H")).system
    with pytest.raises(LabkitError, match="unit 'meV' of per_system; expected 'eV', 'eV/Å'"):
        Spread(one, "meV")
    with pytest.raises(LabkitError, match="per_atom needs values and a unit"):
        Spread(one, "eV", one)
    with pytest.raises(LabkitError, match="per_atom needs values and a unit"):
        Spread(one, "eV", None, "eV")
    with pytest.raises(LabkitError, match="no values per atom; evaluate with forces=True"):
        Spread(one, "eV").max_over_atoms(system)
    with pytest.raises(LabkitError, match="unit_per_system is '' and 'eV'; expected one unit"):
        in_quadrature([Spread(one, "eV"), Spread(one, "")])
    with pytest.raises(LabkitError, match="unit_per_atom is 'eV' and 'eV/Å'.*per_atom='energies'"):
        in_quadrature([Spread(one, "eV", one, "eV"), Spread(one, "eV", one, "eV/Å")])
    with pytest.raises(LabkitError, match="no spreads were given"):
        in_quadrature([])
