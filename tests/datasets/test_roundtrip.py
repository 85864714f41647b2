"""What is written is read again to the last bit, by labkit and by ASE."""

import tempfile
import warnings
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.datasets import Dataset, ice, load

finite = st.floats(-1e6, 1e6, allow_nan=False)
words = st.text(st.characters(blacklist_categories=("Cs",)), max_size=8)
extras = st.dictionaries(
    st.sampled_from(["config_type", "a b", "x=y", 'quo"te', "back\\slash", "stress", "pbc", "Δ", "T"]),
    st.one_of(words, finite, st.integers(-(10**9), 10**9), st.booleans(), st.lists(finite, min_size=2, max_size=4)),
    max_size=3,
)


@st.composite
def frames(draw):
    n = draw(st.integers(1, 4))
    vectors = st.lists(finite, min_size=3 * n, max_size=3 * n)
    positions = np.array(draw(vectors)).reshape(n, 3)
    numbers = draw(st.lists(st.integers(1, 103), min_size=n, max_size=n))
    pbc = draw(st.lists(st.booleans(), min_size=3, max_size=3))
    cell = np.diag(draw(st.lists(st.floats(0.5, 50), min_size=3, max_size=3)))
    cell[1, 0] = draw(st.floats(-5, 5))
    atoms = Atoms(numbers, positions, cell=cell if any(pbc) else None, pbc=pbc)
    atoms.info["energy"] = draw(finite)
    if draw(st.booleans()):
        atoms.arrays["REF_forces"] = np.array(draw(vectors)).reshape(n, 3)
    if draw(st.booleans()):
        half = np.array(draw(st.lists(finite, min_size=9, max_size=9))).reshape(3, 3)
        atoms.info["dft_stress"] = half
    if draw(st.booleans()):
        atoms.arrays["tag"] = np.arange(n)
    return atoms, draw(extras)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(frames(), min_size=1, max_size=4), st.sampled_from([".xyz", ".xyz.gz", ".xyz.xz", ".xyz.bz2"]))
def test_round_trip(drawn, suffix):
    ds = Dataset.from_atoms([atoms for atoms, _ in drawn], keep_placeholders=True)  # any number may be drawn
    for info, (_, extra) in zip(ds.info, drawn):
        info.update(extra)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / f"mine{suffix}"
        ds.write(path)
        again = load(path, keep_placeholders=True)
        peer = ase.io.read(path, ":", format="extxyz")
    assert again.hash == ds.hash
    for i, (mine, atoms) in enumerate(zip(again.atoms, peer)):
        assert atoms.get_potential_energy() == ds.energy[i]
        np.testing.assert_array_equal(mine.positions, atoms.positions)
        assert mine.arrays.keys() == ds.atoms[i].arrays.keys()
        expected = {f"info_{k}" if k in ("stress", "pbc") else k: v for k, v in drawn[i][1].items()}
        assert again.info[i].keys() == expected.keys()
        for key, value in expected.items():
            assert np.array_equal(again.info[i][key], value), (key, value, again.info[i][key])


def test_ice_survives_all_ways(tmp_path):
    ds = ice("train", 20)
    ds.write(tmp_path / "ice.xyz.xz")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = load(tmp_path / "ice.xyz.xz")
    assert again.hash == ds.hash
    assert [i["trajectory"] for i in again.info] == [i["trajectory"] for i in ds.info]
    ds.write(tmp_path / "again.xyz.xz")
    assert (tmp_path / "ice.xyz.xz").read_bytes() == (tmp_path / "again.xyz.xz").read_bytes()
