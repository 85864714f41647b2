"""Types and bonds of a system: named, kept by batches, by ASE and by extended XYZ, never taken for elements."""

import ase
import numpy as np
import pytest
import torch
from ase.build import molecule
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import ELEMENTS, State, System, Vocabulary, beads, bonds_of
from labkit.base.bonded import bonds_among, column, from_column
from labkit.datasets import Dataset
from labkit.datasets.reading import load
from labkit.engine import hold
from labkit.errors import LabkitError
from labkit.forcefield import HarmonicBonds, TypedForceField, TypedTerm
from tests.base.beads import chain, together

NAMES = ("CA", "CA:GLY", "CB:ALA", "CB:TYR", "W")


def told(system: System) -> list[str]:
    return [system.type_name(k) for k in range(system.n_atoms)]


def same(one: System, other: System) -> None:
    assert told(one) == told(other)
    assert one.bonds.tolist() == other.bonds.tolist()
    for name in ("numbers", "masses", "index", "pbc"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def test_elements_are_types_where_none_are_given() -> None:
    system = State.from_atoms([molecule("H2O"), molecule("CH4")]).system
    assert system.vocabulary == ELEMENTS and torch.equal(system.types, system.numbers)
    assert told(system)[:4] == ["O", "H", "H", "C"] and system.bonds is None
    assert {name: len(atoms) for name, atoms in system.of_types.items()} == {"H": 6, "C": 1, "O": 1}


def test_a_vocabulary_is_its_names() -> None:
    assert Vocabulary(("A", "B")) == Vocabulary(("A", "B")) != Vocabulary(("B", "A"))
    for names, words in (
        (("A", "A"), "appears twice"),
        (("A B",), "without spaces"),
        (("",), "without"),
        (("*",), r"\*"),
    ):
        with pytest.raises(LabkitError, match=words):
            Vocabulary(names)
    with pytest.raises(LabkitError, match="'CB:TYX' is unknown; did you mean 'CB:TYR'"):
        Vocabulary(NAMES).index_of("CB:TYX")
    with pytest.raises(LabkitError, match="vocabulary .* without types"):
        System(torch.tensor([0]), torch.ones(1), torch.tensor([0]), torch.zeros(1, 3), vocabulary=Vocabulary(NAMES))
    with pytest.raises(LabkitError, match="not the atomic numbers, without a vocabulary"):
        System(torch.tensor([0]), torch.ones(1), torch.tensor([0]), torch.zeros(1, 3), torch.tensor([1]))
    with pytest.raises(LabkitError, match="2 types for 1 atoms"):
        System(torch.tensor([0]), torch.ones(1), torch.tensor([0]), torch.zeros(1, 3), torch.tensor([0, 1]))


def test_types_in_another_vocabulary_are_named_where_they_are_unknown() -> None:
    system = together([chain(["CA", "CB:ALA"]), chain(["CB:TYR", "CA"])]).system
    model = Vocabulary(("CB:TYR", "W", "CA", "CB:ALA"))
    assert system.types_in(model).tolist() == [2, 3, 0, 2]
    assert system.types_in(system.vocabulary) is system.types
    with pytest.raises(LabkitError, match="frame 1, atom 0: type 'CB:TYR' is unknown; known: CA, CB:ALA"):
        system.types_in(Vocabulary(("CA", "CB:ALA")))


def test_a_model_of_elements_takes_atoms_of_any_type_for_their_elements() -> None:
    water = molecule("H2O")
    water.set_array("types", np.array(["OW", "HW", "HW"]))
    system = State.from_atoms([water, molecule("H2")]).system
    assert told(system) == ["OW", "HW", "HW", "H", "H"] and system.numbers.tolist() == [8, 1, 1, 1, 1]
    assert system.types_in(Vocabulary(("H", "O"))).tolist() == [1, 0, 0, 0, 0]
    assert system.types_in(Vocabulary(("HW", "OW", "H"))).tolist() == [1, 0, 0, 2, 2]
    system.check_species([1, 8])
    with pytest.raises(LabkitError, match="frame 0, atom 0: type 'O' is unknown"):
        system.types_in(Vocabulary(("H", "C")))
    tungsten = chain(["W", "W"]).system  # beads called as an element is
    assert tungsten.types_in(Vocabulary(("H", "W"))).tolist() == [1, 1]


def test_a_model_of_elements_says_that_beads_are_none() -> None:
    with pytest.raises(LabkitError, match="frame 0, atom 0: type CA is not an element; .*elements \\(O\\)"):
        chain(["CA", "CA"]).system.check_species([8])


names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=6)


@given(st.lists(names, min_size=1, max_size=4), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_batch_and_ase_keep_types_and_bonds(parts: list[list[str]], with_water: bool) -> None:
    states = [chain(part, seed=k) for k, part in enumerate(parts)]
    batch = together(states)
    assert told(batch.system) == [name for part in parts for name in part]
    starts = batch.system.offsets
    expected = [[i + s, j + s] for state, s in zip(states, starts) for i, j in state.system.bonds.tolist()]
    assert batch.system.bonds.tolist() == expected
    same(batch.system, State.from_atoms(batch.to_atoms()).system)
    same(together([batch]).system, batch.system)
    if with_water:  # whose bonds are not known
        more = together([batch, State.from_atoms(molecule("H2O"))])
        assert told(more.system)[-3:] == ["O", "H", "H"] and more.system.bonds is None
        assert told(State.from_atoms(more.to_atoms()).system) == told(more.system)


def test_what_ase_repeats_and_joins_keeps_its_bonds() -> None:
    atoms = chain(["CA", "CB:ALA", "CA:GLY"]).to_atoms()[0]
    atoms.cell = [20.0, 20, 20]
    twice = State.from_atoms(atoms.repeat((2, 1, 1))).system
    assert twice.bonds.tolist() == [[0, 1], [1, 2], [3, 4], [4, 5]]
    joined = State.from_atoms(chain(["CA", "W"]).to_atoms()[0] + atoms).system
    assert joined.bonds.tolist() == [[0, 1], [2, 3], [3, 4]]
    assert told(joined) == ["CA", "W", "CA", "CB:ALA", "CA:GLY"]
    with pytest.raises(LabkitError, match="frame 0, atom 2: bonded to atom 1, which is not bonded to it"):
        State.from_atoms(atoms[[0, 2, 1]])
    atoms.arrays["bonded"][1] = "yes"
    with pytest.raises(LabkitError, match="frame 0, atom 1: bonded is 'yes'"):
        State.from_atoms(atoms)


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(
    st.just(n), st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda b: b[0] < b[1]))
)))  # fmt: skip
def test_the_column_of_bonds_is_the_bonds(given_bonds: tuple[int, set[tuple[int, int]]]) -> None:
    n, bonds = given_bonds
    rows = bonds_of(sorted(bonds), n) if bonds else torch.zeros(0, 2, dtype=torch.int64)
    text = column(rows.numpy(), n)
    assert from_column(text, "here").tolist() == sorted(map(list, bonds))
    kept = torch.arange(0, n, 2)  # every second atom
    among = {(i // 2, j // 2) for i, j in bonds if i % 2 == j % 2 == 0}
    assert set(map(tuple, bonds_among(rows, kept, n).tolist())) == among


def test_bonds_of_what_is_not_there_are_refused() -> None:
    for row in ((0, 3), (1, 1), (-1, 0)):
        with pytest.raises(LabkitError, match="two different atoms of 0 to 2"):
            bonds_of([row], 3)


def test_lone_atoms_have_no_bonds_and_do_not_hide_those_of_others() -> None:
    ion = State.from_atoms(ase.Atoms("Na", [[0, 0, 0]]))
    both = together([ion, chain(["CA", "CA"])])
    assert both.system.bonds.tolist() == [[1, 2]]
    assert State.from_atoms(both.to_atoms()).system.bonds.tolist() == [[1, 2]]


def test_beads_need_names_and_masses_at_the_border_of_ase() -> None:
    bead = ase.Atoms("X2", positions=[[0, 0, 0], [0, 0, 3.8]])
    with pytest.raises(LabkitError, match="atom 0: atomic number 0 is not an element.*a bead needs its name"):
        State.from_atoms(bead)
    bead.set_array("types", np.array(["CA", "CB:ALA"]))
    with pytest.raises(LabkitError, match="a mass"):
        State.from_atoms(bead)
    bead.set_masses([12.0, 15.0])
    system = State.from_atoms(bead).system
    assert told(system) == ["CA", "CB:ALA"] and system.numbers.tolist() == [0, 0]
    bead.set_array("types", np.array([1, 2]), int)  # deletes nothing: LAMMPS's types are names as well
    assert told(State.from_atoms(bead).system) == ["1", "2"]
    bead.arrays["types"] = np.zeros((2, 3))
    with pytest.raises(LabkitError, match="'types' is float64 of shape \\(2, 3\\)"):
        State.from_atoms(bead)


def test_extended_xyz_keeps_beads(tmp_path) -> None:
    states = [chain(["CA", "CB:ALA", "CA"]), chain(["CB:TYR", "CA:GLY"])]
    frames = [state.replace(energy=torch.tensor([1.5])).to_atoms()[0] for state in states]
    Dataset.from_atoms(frames).write(tmp_path / "beads.xyz")
    read = load(tmp_path / "beads.xyz", energy_key="energy", forces_key=False)
    same(State.from_atoms(read.atoms).system, together(states).system)
    (tmp_path / "wrong.xyz").write_text("1\nProperties=species:S:1:pos:R:3 energy=1.0\nX 0 0 0\n")
    with pytest.raises(LabkitError, match=r"atom 0 \(line 3\): unknown element X; .*types:S:1"):
        load(tmp_path / "wrong.xyz")


def test_a_set_of_other_beads_is_another_set() -> None:
    frames = [chain(pair).replace(energy=torch.tensor([1.5])).to_atoms()[0] for pair in (["CA", "W"], ["CA", "CB:ALA"])]
    assert len({Dataset.from_atoms([frame]).hash for frame in frames}) == 2


def test_beads_of_other_numbers_are_refused() -> None:
    for masses, names, words in (
        ([12.0], ["A"] * 2, "1 masses for 2 beads"),
        ([12.0, 0.0], ["A"] * 2, "expected positive numbers"),
        (12.0, ["A"], "1 types for 2 atoms"),
    ):
        with pytest.raises(LabkitError, match=words):
            beads([[0, 0, 0], [0, 0, 3.8]], names, masses)


def test_an_ase_calculator_sees_that_beads_are_others() -> None:
    """ASE compares atomic numbers, which are 0 for all beads."""
    springs = {("A", "A"): {"k": 1.0, "r0": 1.0}, ("A", "B"): {"k": 5.0, "r0": 2.0}}
    prior = TypedForceField({"bonds": TypedTerm(HarmonicBonds, springs)})
    frames = [chain(names).to_atoms()[0] for names in ("AA", "AB", "AA")]
    frames[2].arrays["bonded"][:] = "0"
    expected = [float(prior.evaluate(State.from_atoms(frame)).energy[0]) for frame in frames]
    assert len(set(expected)) == 3
    shared = prior.calculator()
    for frame in frames:  # at the same positions
        frame.calc = shared
    assert [frame.get_potential_energy() for frame in frames] == pytest.approx(expected)
    frames[0].get_potential_energy()
    frames[0].arrays["types"][1] = "B"
    assert frames[0].get_potential_energy() == pytest.approx(expected[1])


def test_held_beads_stay_beads() -> None:
    held = hold(chain(["CA", "CB:ALA", "CA"]), [1])
    assert told(held.system) == ["CA", "CB:ALA", "CA"] and held.system.bonds.tolist() == [[0, 1], [1, 2]]


@given(st.lists(names, min_size=2, max_size=4), st.data())
@settings(max_examples=30, deadline=None)
def test_systems_taken_out_of_a_batch_keep_types_and_bonds(parts: list[list[str]], data: st.DataObject) -> None:
    batch = together([chain(part, seed=k) for k, part in enumerate(parts)])
    which = data.draw(st.permutations(range(len(parts))))[: data.draw(st.integers(1, len(parts)))]
    same(batch[which].system, together([chain(parts[k], seed=k) for k in which]).system)


def test_a_state_in_a_file_keeps_types_and_bonds(tmp_path) -> None:
    for state in (together([chain(["CA", "W"]), chain(["CB:TYR"])]), State.from_atoms(molecule("H2O"))):
        state.save(tmp_path / "state.safetensors")
        read = State.load(tmp_path / "state.safetensors").system
        assert told(read) == told(state.system) and read.vocabulary == state.system.vocabulary
        assert (read.bonds is None) == (state.system.bonds is None)
    with pytest.raises(LabkitError, match="different systems"):
        State.where(torch.tensor([True]), chain(["CA", "W"]), chain(["CA", "CB:TYR"]))


def test_frames_as_arrays_are_beads_too() -> None:
    one = [chain(["CA", "CB:ALA", "CA"], seed=k) for k in range(3)]
    frames = [state.replace(energy=torch.tensor([1.5])).to_atoms()[0] for state in one]
    other = chain(["CB:TYR", "CA:GLY"]).replace(energy=torch.tensor([0.5])).to_atoms()[0]
    alike = {name: frames[0].arrays[name] for name in ("types", "bonded", "masses")}
    mixed = {name: np.concatenate([f.arrays[name] for f in (*frames, other)]) for name in alike}
    places = np.stack([frame.positions for frame in frames])
    shared = Dataset.from_arrays(places, [0, 0, 0], arrays=alike, energy=np.full(3, 1.5))
    flat = Dataset.from_arrays(
        np.concatenate([*places, other.positions]), np.zeros(11, int), offsets=[0, 3, 6, 9, 11], arrays=mixed,
        energy=np.array([1.5, 1.5, 1.5, 0.5]),
    )  # fmt: skip
    same(shared.state(range(3)).system, together(one).system)
    same(flat.state([3, 1]).system, together([State.from_atoms(other), one[1]]).system)
    assert shared.hash == Dataset.from_atoms(frames).hash == flat[:3].hash
    assert flat.hash == Dataset.from_atoms([*frames, other]).hash
    renamed = {**alike, "types": np.array(["CA", "CB:TYR", "CA"])}
    assert Dataset.from_arrays(places, [0, 0, 0], arrays=renamed, energy=np.full(3, 1.5)).hash != shared.hash
    with pytest.raises(LabkitError, match="frame 0, atom 0: atomic number 0 is not an element.*types and masses"):
        Dataset.from_arrays(places, [0, 0, 0], arrays={"types": alike["types"]})
