"""`load` and `Design` say in one line what is surely wrong, and nothing of sets that are right."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from labkit.datasets import Dataset, DatasetWarning, ice, load
from labkit.datasets.audit.quick import quick_look
from labkit.gap import Design, GapConfig, Soap
from labkit.units import HARTREE, KCAL_PER_MOL

KEYS = {"energy_key": "energy", "forces_key": "forces"}


def metal(amplitude=0.1, symbol="Cu", count=40):
    for k in range(count):
        atoms = bulk(symbol, cubic=True)
        atoms.rattle(amplitude, seed=k)
        atoms.calc = EMT()
        atoms.get_forces()
        yield atoms


def water(count=40):
    rng = np.random.default_rng(1)
    for _ in range(count):
        atoms = molecule("H2O")
        atoms.rattle(0.05, rng=rng)
        stretch = np.array([atoms.get_distance(0, k) - 0.97 for k in (1, 2)])
        along = np.array([atoms.get_distance(0, k, vector=True) / atoms.get_distance(0, k) for k in (1, 2)])
        pull = 50.0 * stretch[:, None] * along
        atoms.info["energy"] = -14.0 + 25.0 * float((stretch**2).sum())
        atoms.arrays["forces"] = np.array([pull.sum(0), -pull[0], -pull[1]])
        yield atoms


def argon(count=40):
    for k in range(count):
        atoms = bulk("Ar", cubic=True, a=5.3) * (2, 1, 1)
        atoms.rattle(0.15, seed=k)
        atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0, smooth=True)
        atoms.get_forces()
        yield atoms


RIGHT = {"ice": lambda: ice("train", n=50), "copper": metal, "hot gold": lambda: metal(0.25, "Au"), "water": water,
         "argon": argon}  # fmt: skip


def made(name: str) -> Dataset:
    frames = RIGHT[name]()
    return frames if isinstance(frames, Dataset) else Dataset.from_atoms(list(frames))


@pytest.mark.parametrize("name", RIGHT)
def test_nothing_is_said_of_sets_that_are_right(name):
    assert quick_look(made(name)) == ""


FAULTS = {
    "kcal/mol": (lambda ds: replace(ds, energy=ds.energy / KCAL_PER_MOL), "not in the same units"),
    "Hartree": (lambda ds: replace(ds, energy=ds.energy / HARTREE), "not in the same units"),
    "gradients": (lambda ds: replace(ds, forces=-ds.forces), "sign|fall where"),
    "shifted": (lambda ds: replace(ds, forces=np.roll(ds.forces, 3 * ds.counts[0], axis=0)), "shift of"),
    "twice": (lambda ds: ds[[*range(len(ds)), 3]], r"2 frames appear more than once \(frames 3, \d+\)"),
}


@pytest.mark.parametrize("name", ["ice", "copper", "water"])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_surely_wrong_is_said_in_one_line(fault, name, tmp_path):
    spoil, text = FAULTS[fault]
    ds = spoil(made(name))
    ds.write(tmp_path / "a.xyz")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        again = load(tmp_path / "a.xyz", **KEYS, stress_key=False)
    said = [str(w.message) for w in caught if issubclass(w.category, DatasetWarning) and "audit(ds)" in str(w.message)]
    assert len(said) == 1 and "\n" not in said[0]
    assert re.search(text, said[0]), said[0]
    config = GapConfig(Soap(cutoff=3.0, n_max=2, l_max=1, n_sparse=10), sigma_virial=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        notes = Design(again, config).notes
    assert any(re.search(text, note) for note in notes)
