"""Energies of lone atoms: given, isolated, fitted, and where the data cannot tell."""

import pytest
from ase import Atoms
from ase.build import molecule

from labkit.base import State
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap import Design, GapConfig, Soap
from labkit.gap.e0 import fit_e0

TRUE = {"H": -13.0, "C": -1030.0, "O": -2040.0}


def frames(*names: str) -> Dataset:
    made = []
    for name in names:
        atoms = Atoms(name) if len(name) == 1 else molecule(name)
        atoms.info["energy"] = sum(TRUE[s] for s in atoms.get_chemical_symbols())
        made.append(atoms)
    return Dataset.from_atoms(made)


def test_average_finds_what_compositions_tell() -> None:
    assert fit_e0(frames("H2O", "CH4", "CO2", "H2"), GapConfig()) == pytest.approx(TRUE)


def test_average_where_they_tell_nothing(train: Dataset) -> None:
    mean = train.energy.mean() / 12
    assert fit_e0(train, GapConfig()) == pytest.approx({"H": mean, "O": mean})


def test_isolated_and_given() -> None:
    config = GapConfig(e0_method="isolated")
    assert fit_e0(frames("H2O", "H", "O"), config) == {"H": -13.0, "O": -2040.0}
    with pytest.raises(LabkitError, match="no labelled frame of one O atom"):
        fit_e0(frames("H2O", "H"), config)
    assert fit_e0(frames("H2O"), GapConfig(e0={"H": 1.0, "O": 2.0, "C": 3.0})) == {"H": 1.0, "O": 2.0}
    with pytest.raises(LabkitError, match="e0 has no value for O"):
        fit_e0(frames("H2O"), GapConfig(e0={"H": 1.0}))


def test_a_lone_atom_has_its_e0() -> None:
    """A frame of one atom goes through fit and evaluation: no neighbour, a SOAP of the atom itself."""
    data = frames("H2O", "H2", "H", "O")
    model = Design.build(data, GapConfig(Soap(n_max=3, l_max=2, n_sparse=5), e0_method="isolated")).solve()
    state = State.from_atoms(data.atoms[2])
    result, variance = model.evaluate(state), model.variance(state)[1]
    assert float(result.energy[0]) == pytest.approx(-13.0, abs=0.02)
    assert float(result.forces.abs().max()) == 0.0 and float(variance[0]) < 0.1**2
