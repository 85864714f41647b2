"""What a file says twice, or two things of it that cannot both be right, is found; and nothing else is."""

import warnings

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import State
from labkit.datasets import Dataset, DatasetWarning, load
from labkit.datasets.extxyz import Chunk, parse
from labkit.errors import LabkitError

GIVEN = {"energy_key": "energy", "forces_key": "forces"}


def frame(comment: str = "energy=-3.5", layout: str = "species:S:1:pos:R:3:forces:R:3", rows=("H 0 0 0 1 0 0",)):
    lines = [f"{len(rows)}\n", f"Properties={layout} {comment}\n", *(f"{row}\n" for row in rows)]
    return Chunk("mine.xyz", 0, 1, lines)


words = st.sampled_from(["energy", "note", "config_type", "REF_energy"])
values = st.sampled_from(["-3.5", "-3.6", "T", "ice", "'a b=1'", '"energy=7"', "{1 2 3}", "[1,2]"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(words, values), min_size=1, max_size=5), st.sampled_from(["=", " = "]))
def test_a_key_twice_in_the_comment(pairs, equals):
    comment = " ".join(f"{key}{equals}{value}" for key, value in pairs)
    seen, contradictory = {}, False
    for key, value in pairs:
        contradictory |= seen.setdefault(key, value) != value
    if contradictory:
        with pytest.raises(LabkitError, match=r"mine.xyz: frame 0 \(line 2\): the key '\w+' appears twice"):
            parse(frame(comment))
    else:
        assert set(parse(frame(comment)).info) == set(seen)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(-9, 9), min_size=6, max_size=6), st.floats(-9, 9), st.integers(0, 5))
def test_a_column_twice(numbers, other, place):
    layout = "species:S:1:pos:R:3:forces:R:3:forces:R:3"
    second = [*numbers[:place], other, *numbers[place + 1 :]]
    rows = [
        " ".join(["H", "0 0", repr(k), *(repr(x) for x in [*numbers[3 * k : 3 * k + 3], *second[3 * k : 3 * k + 3]])])
        for k in range(2)
    ]
    if other == numbers[place]:
        assert parse(frame(layout=layout, rows=rows)).arrays["forces"].ravel().tolist() == numbers
    else:
        with pytest.raises(LabkitError, match=rf"atom {place // 3} .*'forces' twice, with different values"):
            parse(frame(layout=layout, rows=rows))


@pytest.mark.parametrize("symbol, number, fine", [("O", 8, True), ("O", 1, False), ("OW", 8, True), ("h", 1, True)])
def test_species_and_atomic_numbers(symbol, number, fine):
    chunk = frame("energy=1", "species:S:1:Z:I:1:pos:R:3", [f"{symbol} {number} 0 0 0"])
    if fine:
        assert parse(chunk).numbers.tolist() == [number]
    else:
        with pytest.raises(LabkitError, match=r"atom 0 \(line 3\): species is 'O', but Z is 1"):
            parse(chunk)


@pytest.mark.parametrize("mass", [-1.0, 0.0, np.nan, -np.inf])
@pytest.mark.parametrize("way", ["file", "atoms", "arrays", "state"])
def test_masses_are_positive(mass, way, tmp_path):
    water = molecule("H2O", info={"energy": -14.0})
    water.set_masses([16.0, 1.0, 1.0])
    water.arrays["masses"][2] = mass
    (tmp_path / "a.xyz").write_text(
        f"2\nProperties=species:S:1:pos:R:3:masses:R:1 energy=-1\nH 0 0 0 1.0\nH 0 0 1 {mass!r}\n"
    )
    masses = water.arrays["masses"]
    makers = {
        "file": lambda: load(tmp_path / "a.xyz", energy_key="energy", forces_key=False),
        "atoms": lambda: Dataset.from_atoms([water]),
        "arrays": lambda: Dataset.from_arrays(np.zeros((2, 3, 3)), [8, 1, 1], arrays={"masses": masses}),
        "state": lambda: State.from_atoms(water),
    }
    with pytest.raises(LabkitError, match=rf"atom {1 if way == 'file' else 2}: mass is .* expected a positive number"):
        makers[way]()


def test_held_atoms_keep_their_infinite_mass():
    water = molecule("H2O", info={"energy": -14.0})
    water.set_masses([np.inf, 1.0, 1.0])
    assert Dataset.from_atoms([water]).state().system.held.tolist() == [True, False, False]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=9, max_size=9), st.sampled_from(["stress", "REF_virial"]))
def test_a_stress_is_symmetric(numbers, key):
    tensor = np.array(numbers).reshape(3, 3)
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 0.8]], cell=[2, 2, 2], pbc=True, info={"energy": -1.0, key: tensor})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ds = Dataset.from_atoms([atoms], keep_placeholders=True)
    factor = 1.0 if key == "stress" else -1 / 8
    off = np.abs(tensor - tensor.T).max()
    said = [str(w.message) for w in caught if "not symmetric" in str(w.message)]
    if off > 1e-3 * np.abs(tensor).max():
        np.testing.assert_allclose(ds.stress[0], factor * (tensor + tensor.T) / 2, atol=1e-12)
        assert "frames: stress of frame 0 is not symmetric" in said[0]
    else:
        np.testing.assert_allclose(ds.stress[0], factor * tensor, atol=1e-12)
        assert not said


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=12, max_size=12), st.lists(st.booleans(), min_size=2, max_size=2))
def test_missing_components_survive_writing(lost, no_energy):
    """One force that is not a number takes no other with it."""
    import tempfile
    from pathlib import Path

    rng = np.random.default_rng(0)
    forces = np.where(np.array(lost).reshape(4, 3), np.nan, rng.normal(size=(4, 3)))
    energy = np.where(no_energy, np.nan, [-1.5, -2.5])
    ds = Dataset.from_arrays(rng.normal(size=(2, 2, 3)), [1, 1], energy=energy, forces=forces)
    if np.isnan(forces).all() and np.isnan(energy).all():
        return
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", DatasetWarning)
        ds.write(Path(folder) / "a.xyz")
        again = load(Path(folder) / "a.xyz")
    assert again.hash == ds.hash


def test_six_numbers_are_a_stress_and_an_unused_one_may_be_anything(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(
        '1\nLattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3 energy=1 stress="1 2 3 4 5 6"\nH 0 0 0\n'
    )
    ds = load(path, energy_key="energy", forces_key=False, stress_key="stress")
    assert ds.stress[0].tolist() == [[1, 6, 5], [6, 2, 4], [5, 4, 3]]
    path.write_text(path.read_text().replace("1 2 3 4 5 6", "not computed"))
    assert load(path, energy_key="energy", forces_key=False, stress_key=False).energy.tolist() == [1.0]
    with pytest.raises(LabkitError, match=r"frame 0 \(line 2\): .*stress"):
        load(path, energy_key="energy", forces_key=False)
