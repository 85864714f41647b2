"""Datasets of arrays are those of Atoms in everything but memory: equal hashes, states, selections, files."""

import time
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import labkit
from labkit.base import State
from labkit.datasets import Dataset, array_structures, ice
from labkit.datasets.audit import audit
from labkit.errors import LabkitError

NAMES = ("energy", "forces", "stress", "polarizability", "born_charges")


def arrays_of(ds: Dataset) -> Dataset:
    """The same frames as arrays."""
    labels = {name: getattr(ds, name) for name in NAMES if np.isfinite(getattr(ds, name)).any()}
    return Dataset.from_arrays(
        np.concatenate([a.positions for a in ds.atoms]),
        np.concatenate([a.numbers for a in ds.atoms]),
        offsets=ds.offsets,
        cell=np.stack([a.cell.array for a in ds.atoms]),
        pbc=np.stack([a.pbc for a in ds.atoms]),
        arrays={name: np.concatenate([a.arrays[name] for a in ds.atoms]) for name in extra(ds)},
        info={"trajectory": np.array([x.get("trajectory", 0) for x in ds.info])},
        name=ds.name,
        **labels,
    )


def extra(ds: Dataset) -> set[str]:
    return set(ds.atoms[0].arrays) - {"numbers", "positions"} if len(ds) else set()


def same_state(a: State, b: State) -> None:
    for name in ("positions", "cell", "velocities"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name
    for name in ("numbers", "masses", "index", "pbc"):
        assert torch.equal(getattr(a.system, name), getattr(b.system, name)), name


@st.composite
def datasets(draw) -> Dataset:
    """Frames of different sizes, with and without cells, energies and forces."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    frames = []
    for _ in range(draw(st.integers(1, 6))):
        n, periodic = draw(st.integers(1, 5)), draw(st.lists(st.booleans(), min_size=3, max_size=3))
        atoms = labkit_atoms(rng, n, periodic)
        atoms.info["energy"] = float(rng.normal())
        atoms.arrays["forces"] = rng.normal(size=(n, 3))
        atoms.arrays["residue"] = rng.integers(0, 9, n)
        atoms.set_momenta(rng.normal(size=(n, 3)))
        frames.append(atoms)
    return Dataset.from_atoms(frames, name="drawn")


def labkit_atoms(rng, n, pbc):
    import ase

    cell = 5.0 * np.eye(3) + rng.normal(size=(3, 3))
    atoms = ase.Atoms(rng.choice([1, 6, 8], n), rng.normal(size=(n, 3)), cell=cell, pbc=pbc)
    atoms.set_masses(rng.uniform(1, 20, n))
    return atoms


@settings(max_examples=30, deadline=None)
@given(ds=datasets(), data=st.data())
def test_arrays_and_atoms_are_one_dataset(ds, data):
    arrays = arrays_of(ds)
    assert arrays.hash == ds.hash and arrays.species.tolist() == ds.species.tolist()
    assert arrays.counts.tolist() == ds.counts.tolist() and len(arrays) == len(ds)
    rows = data.draw(st.lists(st.integers(-len(ds), len(ds) - 1), min_size=1, max_size=8))
    for which in (rows, slice(data.draw(st.integers(0, len(ds) - 1)), None, data.draw(st.integers(1, 3)))):
        assert arrays[which].hash == ds[which].hash
        same_state(arrays[which].state(), ds[which].state())
        same_state(arrays.state(which), State.from_atoms(list(ds[which].atoms)))
        for name in NAMES:
            np.testing.assert_array_equal(getattr(arrays[which], name), getattr(ds[which], name))
            np.testing.assert_array_equal(arrays.label(name, which), getattr(ds[which], name))
    assert (arrays[rows] + arrays).hash == (ds[rows] + ds).hash == (arrays[rows] + ds).hash
    for mine, theirs in zip(arrays.atoms, ds.atoms, strict=True):
        assert set(mine.arrays) == set(theirs.arrays)
        for name in mine.arrays:
            np.testing.assert_array_equal(mine.arrays[name], theirs.arrays[name])


def test_frames_of_the_same_atoms_share_their_arrays():
    rng = np.random.default_rng(0)
    positions = rng.normal(size=(7, 3, 3))
    ds = Dataset.from_arrays(positions, [8, 1, 1], cell=[9.0, 9.0, 9.0], pbc=True, arrays={"types": ["O", "H1", "H2"]})
    assert ds.atoms[4].arrays["types"].tolist() == ["O", "H1", "H2"] and ds.atoms[4].cell.array[1, 1] == 9.0
    picked = ds[[5, 2]]
    np.testing.assert_array_equal(picked.atoms[1].positions, positions[2])
    np.testing.assert_array_equal(picked.state([1]).positions.numpy(), positions[2])
    assert picked.state().system.numbers.tolist() == [8, 1, 1, 8, 1, 1] and np.isnan(picked.energy).all()
    assert not ds.labels(0) and np.shares_memory(ds.atoms.positions, positions)


def test_the_rest_of_labkit_takes_them(tmp_path):
    """The report, files and the fit of a GAP see the same frames."""
    ds = ice("train", n=50)[:12]
    arrays = arrays_of(ds)
    assert str(audit(arrays)).splitlines()[1:] == str(audit(ds)).splitlines()[1:]
    arrays.write(tmp_path / "a.xyz")
    assert labkit.load(tmp_path / "a.xyz", energy_key="energy", forces_key="forces").hash == ds.hash
    assert next(arrays.frames()).get_potential_energy() == ds.energy[0]
    assert arrays[3:].info[0]["trajectory"] == ds[3:].info[0]["trajectory"]


FRAMES, BEADS = 100_000, 10


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """A tenth of a million frames of beads, in files."""
    folder = tmp_path_factory.mktemp("beads")
    rng = np.random.default_rng(0)
    for name in ("positions", "forces"):
        np.save(folder / f"{name}.npy", rng.normal(size=(FRAMES, BEADS, 3)).astype(np.float32))
    np.save(folder / "energy.npy", rng.normal(size=FRAMES))
    np.save(folder / "numbers.npy", np.full(BEADS, 6))
    np.save(folder / "info_trajectory.npy", np.arange(FRAMES) // 1000)
    return folder


def test_a_million_frames_of_beads_are_not_a_million_atoms(mapped, monkeypatch):
    """A tenth of them: below 50 MB in memory (a million: 0.5 GB), no Atoms, batches at the speed of arrays."""

    class NoAtoms:
        def __init__(self, *_, **__):
            raise AssertionError("made Atoms")

    monkeypatch.setattr(array_structures, "Atoms", NoAtoms)
    tracemalloc.start()
    began = time.perf_counter()
    ds = labkit.load(mapped)
    order = np.random.default_rng(1).permutation(len(ds))
    train, valid = ds[order[:90_000]], ds[order[90_000:]]
    assert len(train) == 90_000 and len(valid) == 10_000 and len(ds[::2]) == 50_000
    assert ds.counts.sum() == FRAMES * BEADS and ds.species.tolist() == [6]
    for start in range(0, len(train), 9000):
        rows = np.arange(start, start + 9000, 20)
        state, forces = train.state(rows, dtype=torch.float32), train.label("forces", rows)
        assert state.positions.shape == forces.shape == (450 * BEADS, 3)
    assert train.info[5]["trajectory"] == order[5] // 1000
    seconds, (_, peak) = time.perf_counter() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6 and seconds < 10
    np.testing.assert_array_equal(train.state([7]).positions.numpy().astype(np.float32), ds.state([order[7]]).positions)
    monkeypatch.undo()
    assert len(ds.atoms[5]) == BEADS and len(ds[5].atoms) == 1


def test_what_is_stored_comes_back(mapped, tmp_path):
    ds = ice("train", n=50)[:5] + ice("valid")[:2]
    arrays = arrays_of(ds)
    arrays.write_arrays(tmp_path / "ice")
    again = labkit.load(tmp_path / "ice")
    assert again.hash == ds.hash and again.info[6] == arrays.info[6]
    beads = labkit.load(mapped)[17:40]
    beads.write_arrays(tmp_path / "beads")
    assert labkit.load(tmp_path / "beads").hash == beads.hash
    assert np.load(tmp_path / "beads" / "positions.npy").dtype == np.float32
    np.savez(tmp_path / "beads.npz", **{f.stem: np.load(f) for f in (tmp_path / "beads").iterdir()})
    assert labkit.load(tmp_path / "beads.npz").hash == beads.hash
    with pytest.raises(LabkitError, match="exists"):
        beads.write_arrays(tmp_path / "beads")


def test_what_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    ds = ice("train", n=50)[:2]
    with pytest.raises(LabkitError, match="info is a list of dicts .*trajectory"):
        ds.write_arrays(tmp_path / "ice")
    arrays, full = arrays_of(ds), OSError(28, "No space left on device")
    monkeypatch.setattr(np, "save", lambda path, *_, **__: (path.write_bytes(b"half"), (_ for _ in ()).throw(full)))
    with pytest.raises(LabkitError, match="ice: could not be written .No space left"):
        arrays.write_arrays(tmp_path / "ice")
    assert not list(tmp_path.iterdir())


def build(**changes):
    given = dict(positions=np.zeros((4, 2, 3)), numbers=[1, 1], energy=np.zeros(4), name="mine")
    return Dataset.from_arrays(**(given | changes))


NAN = np.where(np.arange(24).reshape(4, 2, 3) == 9, np.nan, 0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": np.zeros((4, 2))}, r"mine: positions are float64 of the shape \(4, 2\); expected floats"),
        ({"positions": np.zeros((8, 3))}, r"mine: positions are \(8, 3\); expected offsets"),
        ({"positions": np.zeros((8, 3)), "offsets": [0, 5, 3, 8]}, "ascending whole numbers from 0 to 8"),
        ({"offsets": [0, 8]}, r"offsets are for positions \(n, 3\)"),
        ({"positions": NAN}, "mine: frame 1, atom 1: position .* is not finite"),
        ({"numbers": [1, 0]}, "mine: frame 0, atom 1: atomic number 0 is not an element"),
        (
            {"numbers": [1, 1, 1]},
            r"numbers has the shape \(3,\); expected rows for 8 atoms or the 2 of each frame",
        ),
        ({"arrays": {"types": np.array([None, 1])}}, "types holds object; expected numbers or text"),
        ({"arrays": {"positions": np.zeros((2, 3))}}, "'positions' is reserved"),
        ({"pbc": True}, "mine: frame 0: periodic .* no volume"),
        ({"cell": np.zeros((3, 3, 3))}, r"cell has the shape \(3, 3, 3\); expected \(3, 3\) or \(4, 3, 3\)"),
        ({"energy": np.zeros(3)}, r"energy holds float64 of the shape \(3,\); expected floats \(4,\)"),
        ({"forces": np.zeros((4, 2, 2))}, r"forces holds .* expected floats \(8, 3\)"),
        ({"energies": np.zeros(4)}, "unknown label 'energies'.*did you mean 'energy'"),
        ({"info": {"trajectory": np.zeros(3)}}, "'trajectory' has the shape .* each of 4 frames"),
    ],
)
def test_arrays_that_do_not_fit(changes, message):
    with pytest.raises(LabkitError, match=message):
        build(**changes)


def test_folders_and_files_that_hold_no_frames(tmp_path):
    with pytest.raises(LabkitError, match="has no positions.npy"):
        labkit.load(tmp_path)
    np.save(tmp_path / "positions.npy", np.zeros((4, 2, 3)))
    with pytest.raises(LabkitError, match="has no numbers.npy"):
        labkit.load(tmp_path)
    np.save(tmp_path / "numbers.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(LabkitError, match="numbers.npy: .*not be read"):
        labkit.load(tmp_path)
    np.save(tmp_path / "numbers.npy", np.array([1, 0]))
    with pytest.raises(LabkitError, match=f"{tmp_path}: frame 0, atom 1: atomic number 0"):
        labkit.load(tmp_path)
    np.save(tmp_path / "numbers.npy", np.array([1, 1]))
    np.save(tmp_path / "velocity.npy", np.zeros(4))
    with pytest.raises(LabkitError, match="unknown array 'velocity'"):
        labkit.load(tmp_path)
