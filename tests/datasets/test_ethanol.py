"""The shipped frames of ethanol: sizes, physics, and sets that share nothing; of the sets that are there so far."""

import numpy as np
import pytest

from labkit.datasets import ethanol
from labkit.datasets.ethanol import SETS
from labkit.datasets.ice import data_folder
from labkit.errors import LabkitError
from labkit.oracles import TBLite
from tools.ethanol.molecule import minima

SIZES = {"train": 600, "valid": 150, "test": 150, "hot": 150, "stretched": 50, "wide": 1000, "wide_test": 250}
BONDS = ((0, 1), (1, 2), (2, 3), (1, 4), (1, 5), (0, 6), (0, 7), (0, 8))


@pytest.fixture(scope="module")
def shipped():
    folder = data_folder() / "ethanol"
    return {name: ethanol(name, level="gfn2") for name in SETS if (folder / f"{name}.xyz.xz").exists()}


def lengths(dataset):
    positions = np.stack([atoms.positions for atoms in dataset.atoms])
    i, j = np.transpose(BONDS)
    return np.linalg.norm(positions[:, i] - positions[:, j], axis=2)


def test_sizes(shipped):
    expected = {**SIZES, "isolated_atoms": 3}
    for name, found in shipped.items():
        assert len(found) == expected[name]
    progress = "In progress, still missing: " in (data_folder() / "ethanol" / "README.md").read_text()
    assert set(shipped) == set(SETS) or (progress and {"test", "valid", "isolated_atoms"} <= set(shipped))


def test_labels_of_both_levels_belong_to_each_other(shipped):
    """Of all frames of a set, the GFN2 forces most like the PBE forces of a frame are its own (but for a few alike)."""
    for name, found in shipped.items():
        both = [k for k, info in enumerate(found.info) if "energy_pbe" in info]
        if name == "isolated_atoms" or not both:
            continue
        pbe = np.stack([found.atoms[k].arrays["forces_pbe"] for k in both])
        assert np.abs(pbe.sum(axis=1)).max() < 5e-3, name
        if name == "stretched":  # neighbours in the scan are alike
            continue
        gfn2 = found[both].forces.reshape(len(both), -1)
        alike = np.corrcoef(pbe.reshape(len(both), -1), gfn2)[: len(both), len(both) :]
        own = alike.argmax(axis=1) == np.arange(len(both))
        assert own.mean() > 0.97 and alike.diagonal().min() > 0.6, name


@pytest.mark.parametrize("level, error", [("pbe", 0.05), ("gfn2", 0.35)])
def test_atomisation_energy(level, error):
    """Ethanol lies 35.1 eV below its atoms (experiment, without zero-point energy); GFN2 is known to bind too much."""
    atoms = ethanol("isolated_atoms", level=level)
    single = {str(a.symbols): energy for a, energy in zip(atoms.atoms, atoms.energy)}
    molecule = ethanol("test", level=level).energy.min()
    assert 2 * single["C"] + single["O"] + 6 * single["H"] - molecule == pytest.approx(35.1, rel=error)


def test_no_two_sets_share_a_trajectory_or_a_frame(shipped):
    dynamics = [name for name in shipped if name not in ("stretched", "isolated_atoms")]
    numbers = {name: {info["trajectory"] for info in shipped[name].info} for name in dynamics}
    assert sum(map(len, numbers.values())) == len(set().union(*numbers.values()))
    assert len(numbers["valid"]) == 5 and len(numbers.get("train", range(20))) == 20
    frames = [atoms.positions.tobytes() for found in shipped.values() for atoms in found.atoms if len(atoms) == 9]
    assert len(set(frames)) == len(frames) == sum(SIZES[name] for name in shipped if name in SIZES)


def test_prefixes_are_spread(shipped):
    for name, trajectories in (("train", 20), ("valid", 5), ("test", 5), ("hot", 5)):
        if name in shipped:
            assert len({info["trajectory"] for info in shipped[name][:trajectories].info}) == trajectories
    for name, n in (("wide", 200), ("wide_test", 100)):
        if name not in shipped:
            continue
        kinds = [info["kind"] for info in shipped[name][:n].info]
        shares = [kinds.count(kind) / n for kind in ("thermal", "stretched", "torsion")]
        np.testing.assert_allclose(shares, [0.5, 0.25, 0.25], atol=0.12)


def test_no_bond_is_too_long(shipped):
    """At most 1.6 times its length at equilibrium, where restricted Kohn-Sham still holds."""
    at_rest = lengths(shipped["valid"]).mean(axis=0)
    for name in SIZES.keys() & shipped.keys():
        ratios = lengths(shipped[name]) / at_rest
        assert ratios.max() <= 1.61 and ratios.min() > 0.6, name
    assert lengths(shipped["stretched"])[:, 2].max() > 1.5 and lengths(shipped["stretched"])[:, 0].max() > 2.4


def test_temperatures_are_seen_in_the_spread(shipped):
    """The mean potential energy above the minimum is near 21/2 kT: less for rotors, more for anharmonic bonds."""
    lowest = TBLite("GFN2-xTB", accuracy=0.01).compute(minima()[1]).energy
    for name, temperature in (("train", 500), ("valid", 500), ("test", 500), ("hot", 800)):
        if name not in shipped:
            continue
        mean = shipped[name].energy.mean() - lowest
        assert mean == pytest.approx(21 / 2 * 8.617e-5 * temperature, rel=0.15), name


def test_frames_of_a_trajectory_are_independent_enough(shipped):
    """Potential energies of successive samples, 200 fs apart, hardly correlate."""
    found = shipped.get("train", shipped["valid"])
    key = [(info["trajectory"], info["sample"]) for info in found.info]
    table = found.energy[np.lexsort(np.transpose(key)[::-1])].reshape(-1, 30)
    table = table - table.mean()
    assert (table[:, :-1] * table[:, 1:]).mean() / (table**2).mean() < 0.3


def test_a_label_can_be_computed_again(shipped):
    for name in {"test", "valid", "wide"} & shipped.keys():
        again = TBLite("GFN2-xTB", accuracy=0.01).compute(shipped[name].atoms[7])
        assert again.energy == pytest.approx(shipped[name].energy[7], abs=1e-6)
        np.testing.assert_allclose(again.forces, shipped[name][7].forces, atol=1e-5)


def test_bad_names_are_told():
    with pytest.raises(LabkitError, match="no ethanol frames called 'trian'; expected .*did you mean 'train'"):
        ethanol("trian")
    with pytest.raises(LabkitError, match="no level 'gfn1'; expected one of pbe, gfn2; did you mean 'gfn2'"):
        ethanol(level="gfn1")
