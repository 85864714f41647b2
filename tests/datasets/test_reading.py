"""`load` finds labels under whatever names, in whatever file, and agrees with ASE."""

import bz2
import gzip
import lzma
import warnings

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from labkit.datasets import Dataset, DatasetWarning, load
from labkit.errors import LabkitError

GIVEN = {"energy_key": "energy", "forces_key": "forces"}


def copper(seed=0):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=seed)
    atoms.calc = EMT()
    atoms.get_forces(), atoms.get_stress()
    return atoms


def plain(energy="energy", forces="forces", extra=""):
    return (
        f'2\nLattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:{forces}:R:3 {energy}=-3.5 {extra}\n'
        "H 0 0 0 0.5 0 0\nH 0 0 0.7 -0.5 0 0\n"
    )


def test_agrees_with_ase(tmp_path):
    frames = [copper(i) for i in range(3)]
    ase.io.write(tmp_path / "cu.xyz", frames)
    ds = load(tmp_path / "cu.xyz", **GIVEN, stress_key="stress")
    assert len(ds) == len(frames)
    for i, atoms in enumerate(ase.io.read(tmp_path / "cu.xyz", ":")):
        assert ds.energy[i] == atoms.get_potential_energy()
        np.testing.assert_array_equal(ds[i].forces, atoms.get_forces())
        np.testing.assert_array_equal(ds.stress[i], atoms.get_stress(voigt=False))
        np.testing.assert_array_equal(ds.atoms[i].cell.array, atoms.cell.array)
        assert ds.atoms[i].pbc.all() and ds.atoms[i].calc is None


@pytest.mark.parametrize(
    "suffix, pack", [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress)]
)
def test_compressed(tmp_path, suffix, pack):
    path = tmp_path / f"a.xyz{suffix}"
    path.write_bytes(pack(plain().encode()))
    assert load(path, **GIVEN).energy.tolist() == [-3.5]


def test_compression_is_told_by_content_not_by_name(tmp_path):
    (tmp_path / "a.xyz").write_bytes(gzip.compress(plain().encode()))
    assert len(load(tmp_path / "a.xyz", **GIVEN)) == 1


def test_zstandard(tmp_path):
    zstandard = pytest.importorskip("zstandard", reason="the optional package zstandard is not installed")
    (tmp_path / "a.xyz.zst").write_bytes(zstandard.compress(plain().encode()))
    assert len(load(tmp_path / "a.xyz.zst", **GIVEN)) == 1


@pytest.mark.parametrize("name", ["cu.db", "cu.json", "cu.traj"])
def test_ase_formats(tmp_path, name):
    frames = [copper(i) for i in range(3)]
    if name.endswith("traj"):
        ase.io.write(tmp_path / name, frames)
    else:
        with ase.db.connect(tmp_path / name) as database:
            for i, atoms in enumerate(frames):
                database.write(atoms, sample=i)
    ds = load(tmp_path / name, **GIVEN, stress_key="stress")
    for i, atoms in enumerate(frames):
        assert ds.energy[i] == pytest.approx(atoms.get_potential_energy(), abs=1e-12)
        np.testing.assert_allclose(ds[i].forces, atoms.get_forces(), atol=1e-14)
        np.testing.assert_allclose(ds.stress[i], atoms.get_stress(voigt=False), atol=1e-14)
    if not name.endswith("traj"):
        assert [info["sample"] for info in ds.info] == [0, 1, 2]


def test_sqlite_is_told_by_content(tmp_path):
    with ase.db.connect(tmp_path / "cu.db") as database:
        database.write(copper())
    (tmp_path / "cu.db").rename(tmp_path / "cu.sqlite")
    assert len(load(tmp_path / "cu.sqlite", **GIVEN, stress_key="stress")) == 1


@pytest.mark.parametrize("energy", ["energy", "Energy", "dft_energy", "REF_energy", "energy_ref"])
@pytest.mark.parametrize("forces", ["forces", "force", "REF_forces", "DFT_force"])
def test_keys_are_guessed_with_a_message(tmp_path, energy, forces):
    (tmp_path / "a.xyz").write_text(plain(energy, forces))
    with pytest.warns(DatasetWarning, match=f"energy from '{energy}', forces from '{forces}'.*energy_key"):
        ds = load(tmp_path / "a.xyz")
    assert ds.energy[0] == -3.5 and ds.forces[0, 0] == 0.5


def test_born_charges_have_a_key_as_polarizabilities_have(tmp_path):
    charges = np.arange(9.0).reshape(1, 3, 3)
    atoms = Atoms("He", info={"energy": -1.0}, cell=[5, 5, 5], pbc=True)
    atoms.arrays["zstar"], atoms.arrays["born_charges"] = charges.reshape(1, 9), 0 * charges.reshape(1, 9)
    ase.io.write(tmp_path / "a.xyz", atoms)
    given = {"energy_key": "energy", "forces_key": False}
    for one in (load(tmp_path / "a.xyz", **given, born_charges_key="zstar"),
                Dataset.from_atoms([atoms], **given, born_charges_key="zstar")):  # fmt: skip
        assert (one.born_charges == charges).all()
    assert 'born_charges_key="zstar"' in load(tmp_path / "a.xyz", **given, born_charges_key="zstar").source
    assert np.isnan(load(tmp_path / "a.xyz", **given, born_charges_key=False).born_charges).all()
    with pytest.raises(LabkitError, match="'zstr' asked for as born_charges_key; did you mean 'zstar'"):
        load(tmp_path / "a.xyz", **given, born_charges_key="zstr")


def test_given_keys_need_no_message(tmp_path):
    (tmp_path / "a.xyz").write_text(plain())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ds = load(tmp_path / "a.xyz", **GIVEN)
    assert ds.energy[0] == -3.5 and ds.forces[0, 0] == 0.5


def test_several_candidates_are_listed(tmp_path):
    (tmp_path / "a.xyz").write_text(plain(extra="dft_energy=-4.0"))
    with pytest.raises(LabkitError, match=r"energy could be any of 'energy' \(1 frames\), 'dft_energy' \(1 frames\)"):
        load(tmp_path / "a.xyz")
    ds = load(tmp_path / "a.xyz", energy_key="dft_energy", forces_key=False)
    assert ds.energy.tolist() == [-4.0] and np.isnan(ds.forces).all()
    assert ds.info[0]["energy"] == -3.5  # what was not chosen is kept
    ds.write(tmp_path / "b.xyz")
    again = load(tmp_path / "b.xyz", energy_key="energy", forces_key=False)
    assert again.energy.tolist() == [-4.0] and again.info[0]["info_energy"] == -3.5


@pytest.mark.parametrize("key", ["virial", "REF_virial", "virials"])
def test_virial_becomes_stress(tmp_path, key):
    atoms = copper()
    stress = atoms.get_stress(voigt=False)
    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    bare.info = {"energy": 1.0, key: -stress * atoms.get_volume()}
    ase.io.write(tmp_path / "cu.xyz", bare, format="extxyz")
    with pytest.warns(DatasetWarning, match=f"stress from '{key}'"):
        ds = load(tmp_path / "cu.xyz", energy_key="energy", forces_key=False)
    np.testing.assert_allclose(ds.stress[0], stress, atol=1e-10)


def test_voigt_stress(tmp_path):
    (tmp_path / "a.xyz").write_text(plain(extra='REF_stress="1 2 3 4 5 6"'))
    ds = load(tmp_path / "a.xyz", **GIVEN, stress_key="REF_stress")
    assert ds.stress[0].tolist() == [[1, 6, 5], [6, 2, 4], [5, 4, 3]]


def test_mixed_frames_and_missing_labels(tmp_path):
    text = plain() + "3\nProperties=species:S:1:pos:R:3 energy=-14\nO 0 0 0\nH 0 0 1\nH 0 1 0\n" + plain("other")
    (tmp_path / "a.xyz").write_text(text)
    with pytest.warns(DatasetWarning) as caught:
        ds = load(tmp_path / "a.xyz")
    messages = " ".join(str(w.message) for w in caught)
    assert "1 of 3 frames have no energy" in messages and "1 of 3 frames have no forces" in messages
    assert ds.counts.tolist() == [2, 3, 2] and ds.offsets.tolist() == [0, 2, 5, 7]
    assert np.isnan(ds.energy).tolist() == [False, False, True]
    assert np.isnan(ds.forces).all(1).tolist() == [False] * 2 + [True] * 3 + [False] * 2
    assert not ds.atoms[1].pbc.any() and ds.atoms[0].pbc.all()


def test_plain_xyz_with_any_comment_keeps_it(tmp_path):
    (tmp_path / "a.xyz").write_text("1\nenergy=2 \nHe 0 0 0\n1\nmade by hand\nHe 0 0 1\n\n")
    with pytest.warns(DatasetWarning, match="1 of 2 frames have no energy"):
        ds = load(tmp_path / "a.xyz", energy_key="energy", forces_key=False)
    assert ds.info[1] == {"comment": "made by hand"}


def test_other_columns_and_keys_are_kept(tmp_path):
    (tmp_path / "a.xyz").write_text(
        '1\nProperties=species:S:1:pos:R:3:tag:I:1 energy=1 config_type=liquid comment="a b"\nHe 0 0 0 7\n'
    )
    ds = load(tmp_path / "a.xyz", energy_key="energy", forces_key=False)
    assert ds.info[0] == {"config_type": "liquid", "comment": "a b"}
    assert ds.atoms[0].arrays["tag"].tolist() == [7]


def test_from_atoms_takes_calculators_and_info():
    water = molecule("H2O")
    water.info["REF_energy"] = -14.0
    water.arrays["REF_forces"] = np.ones((3, 3))
    assert Dataset.from_atoms([water]).forces.sum() == 9
    assert Dataset.from_atoms([copper()]).energy[0] == pytest.approx(copper().get_potential_energy())
    assert "REF_energy" in water.info  # the caller's frames are left alone


def test_reading_does_not_touch_the_file(tmp_path):
    with ase.db.connect(tmp_path / "a.db") as database:
        database.write(copper())
    (tmp_path / "a.xyz").write_text(plain())
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()}
    load(tmp_path / "a.db", **GIVEN, stress_key="stress")
    load(tmp_path / "a.xyz", **GIVEN)
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()} == before
