"""Numbers that were filled in where nothing was computed are missing labels; right labels are left alone."""

import warnings

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms

from labkit.datasets import Dataset, DatasetWarning, ice, load
from labkit.datasets.audit import audit
from labkit.datasets.placeholders import placeholders, without_placeholders
from labkit.gap import Design, GapConfig, Soap

LABELS = ("energy", "forces", "stress", "polarizability")


def copper(k: int, amplitude: float = 0.1) -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(amplitude, seed=k)
    other = atoms.copy()
    other.calc = EMT()
    atoms.info |= {"energy": other.get_potential_energy(), "stress": other.get_stress(voigt=False)}
    atoms.arrays["forces"] = other.get_forces()
    return atoms


def quiet(frames, **options) -> tuple[Dataset, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ds = Dataset.from_atoms(frames, **options)
    return ds, [str(w.message) for w in caught]


def missing(ds: Dataset, label: str) -> list[int]:
    """Frames without a whole label."""
    lost = np.isnan(getattr(ds, label)).reshape(len(getattr(ds, label)), -1).any(1)
    return np.flatnonzero(np.add.reduceat(lost, ds.offsets[:-1]) if label == "forces" else lost).tolist()


@pytest.mark.parametrize("filler", [0.0, -1.0, 999.0, -9999.0, 1e30, np.nan, np.inf])
@pytest.mark.parametrize("label", ["energy", "forces", "stress"])
@pytest.mark.parametrize("seed", range(3))
def test_fillers_are_named_and_missing(filler, label, seed):
    rng = np.random.default_rng(seed)
    frames = [copper(100 * seed + k) for k in range(24)]
    wrong = np.sort(rng.choice(24, 2 + seed, replace=False)).tolist()
    for k in wrong:
        if label == "forces":
            frames[k].arrays["forces"][:] = filler
        else:
            frames[k].info[label] = filler if label == "energy" else np.full((3, 3), filler)
    ds, said = quiet(frames)
    assert missing(ds, label) == wrong
    assert all(not missing(ds, other) for other in ("energy", "forces", "stress") if other != label)
    assert len(said) == 1 and label in said[0] and str(wrong[0]) in said[0] and "taken as missing" in said[0]
    if np.isfinite(filler):
        kept, said = quiet(frames, keep_placeholders=True)
        assert not missing(kept, label) and not said


def test_nothing_is_fitted_to_them():
    """A fit with placeholders is the fit without these labels, also where the dataset was made from arrays."""
    frames = [copper(k) for k in range(10)]
    config = GapConfig(Soap(cutoff=3.5, n_max=3, l_max=2, n_sparse=20, atom_sigma=0.5), sigma_force=0.05)
    clean = Dataset.from_atoms(frames)
    energy, forces, stress = np.array(clean.energy), np.array(clean.forces), np.array(clean.stress)
    energy[[2, 5]], forces[12:20], stress[7] = 0.0, 0.0, -1.0
    positions = np.stack([a.positions for a in frames])
    labels = {"energy": energy, "forces": forces, "stress": stress}
    filled = Dataset.from_arrays(positions, frames[0].numbers, cell=frames[0].cell.array, pbc=True, **labels)
    energy, forces, stress = energy.copy(), forces.copy(), stress.copy()
    energy[[2, 5]], forces[12:20], stress[7] = np.nan, np.nan, np.nan
    labels = {"energy": energy, "forces": forces, "stress": stress}
    lost = Dataset.from_arrays(positions, frames[0].numbers, cell=frames[0].cell.array, pbc=True, **labels)
    one, other = Design.build(filled, config), Design.build(lost, config)
    assert (one.solve().weights == other.solve().weights).all()
    assert [note for note in one.notes if "placeholders" in note] and not any("placeholders" in x for x in other.notes)


def test_forces_of_held_atoms_are_not_fitted():
    slab = fcc111("Cu", (2, 2, 3), vacuum=6.0)
    slab.rattle(0.1, seed=1)
    slab.set_constraint(FixAtoms(indices=range(4)))
    slab.calc = EMT()
    slab.arrays["forces"] = slab.get_forces()  # as ASE writes them
    slab.calc = None
    with pytest.warns(DatasetWarning, match="forces of 4 atoms in frame 0 are exactly 0, as of atoms that were held"):
        ds = Dataset.from_atoms([slab])
    assert np.isnan(ds.forces[:4]).all() and np.isfinite(ds.forces[4:]).all()


def sets_that_are_right():
    yield "ice", [ice("train", n=50)[k] for k in range(6)]
    perfect = []
    for scale in np.linspace(0.9, 1.1, 9):  # symmetry makes every force exactly or nearly zero
        atoms = bulk("Cu", cubic=True)
        atoms.set_cell(atoms.cell * scale, scale_atoms=True)
        atoms.calc = EMT()
        atoms.info["energy"] = atoms.get_potential_energy()
        atoms.arrays["forces"] = np.zeros((4, 3))
        atoms.calc = None
        perfect.append(atoms)
    yield "volume scan", perfect
    alone = [Atoms(z, info={"energy": 0.0}) for z in ("Cu", "H", "O")]
    for atoms in alone:
        atoms.arrays["forces"] = np.zeros((1, 3))
    yield "isolated atoms", alone
    dimers = []
    for r in np.linspace(3.0, 12.0, 30):  # forces and energies beyond the cutoff are zero
        atoms = Atoms("Ar2", [[0, 0, 0], [r, 0, 0]])
        atoms.calc = LennardJones(sigma=3.4, epsilon=0.01, rc=8.0, smooth=True)
        atoms.info["energy"], atoms.arrays["forces"] = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        dimers.append(atoms)
    yield "dimers", dimers
    relative = [copper(k) for k in range(20)]
    lowest = min(a.info["energy"] for a in relative)
    for atoms in relative:
        atoms.info["energy"] -= lowest  # one of them is exactly zero
    yield "energies above the lowest", relative
    linear = molecule("CO2", info={"energy": -20.0})
    linear.arrays["forces"] = np.array([[0, 0, 0], [0, 0, 0.5], [0, 0, -0.5]], float)  # C in the middle
    yield "a linear molecule", [linear]


@pytest.mark.parametrize(("name", "frames"), list(sets_that_are_right()), ids=lambda x: x if isinstance(x, str) else "")
def test_right_labels_are_left_alone(name, frames):
    ds = sum(frames[1:], frames[0]) if isinstance(frames[0], Dataset) else None
    ds, said = quiet(frames) if ds is None else (ds, [])
    assert not said and not placeholders(ds.atoms, {x: getattr(ds, x) for x in LABELS}, ds.offsets)


def test_reading_a_file_says_so_too(tmp_path):
    ds, _ = quiet([copper(k) for k in range(12)])
    ds.forces[8:12] = 0.0
    ds.write(tmp_path / "a.xyz")
    keys = {"energy_key": "energy", "forces_key": "forces", "stress_key": "stress"}
    with pytest.warns(DatasetWarning, match=r"a\.xyz: all forces of frame 2 are 0 \(placeholders\), taken as missing"):
        again = load(tmp_path / "a.xyz", **keys)
    assert missing(again, "forces") == [2]
    assert not missing(load(tmp_path / "a.xyz", **keys, keep_placeholders=True), "forces")
    clean, notes = without_placeholders(ds)
    assert clean.hash == again.hash and len(notes) == 1


def test_the_audit_names_them():
    frames = [copper(k) for k in range(12)]
    ds = Dataset.from_atoms(frames)
    energy = np.where(np.isin(np.arange(12), [4, 7]), 0.0, ds.energy)
    forces = np.where(np.arange(48)[:, None] < 8, -1.0, ds.forces)
    positions, cell = np.stack([a.positions for a in frames]), frames[0].cell.array
    filled = Dataset.from_arrays(positions, frames[0].numbers, cell=cell, pbc=True, energy=energy, forces=forces)
    found = audit(filled).about("placeholders")
    assert [f.frames for f in found] == [(0, 1), (4, 7)]
    assert "all forces of frames 0-1 are -1" in found[0].text and "energy of frames 4, 7 is 0" in found[1].text
