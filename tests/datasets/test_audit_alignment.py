"""Labels that do not belong to their frames: shifts are found and named, clean sets stay quiet."""

import importlib.util
import json
import sys
from dataclasses import replace

import numpy as np
import pytest

import labkit
from labkit.datasets.audit import audit
from labkit.datasets.audit.alignment import correlation_length, judge, paired
from labkit.datasets.audit.energy_pairing import Pairing
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.audit.path_work import path_work
from labkit.datasets.audit.shift_regression import Normal
from labkit.errors import LabkitError


@pytest.fixture(scope="module")
def planted(repository):
    """The benchmark as a module: the faults it plants."""
    folder = str(repository / "benchmarks")
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location("data_audit", f"{folder}/data_audit.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["data_audit"] = module
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(folder)
        sys.modules.pop("data_audit", None)
        sys.modules.pop("_bench", None)


@pytest.fixture(scope="module")
def chemistries(planted):
    """Short trajectories of the three."""
    frames = labkit.datasets.ice("train", n=100)
    order = sorted(range(len(frames)), key=lambda k: (frames.info[k]["trajectory"], frames.info[k]["sample"]))
    pytest.importorskip("tblite")
    ethanol, metal = planted.ethanol(300.0, 600, 1), planted.metal(500.0, 320, 8)
    return {
        "ice": planted.Chemistry("ice", [frames[order]], (1,), every_step=False),
        "ethanol": planted.Chemistry("ethanol", [ethanol], (10,)),
        "metal": planted.Chemistry("metal", [metal], (5,)),
    }


QUICK = (
    "nothing wrong",
    "forces shifted, rolled, in order",
    "forces shifted, rolled, shuffled",
    "forces shifted, cut, in order",
    "energies shifted, shuffled",
    "forces of one frame wrong",
    "forces scrambled",
)


@pytest.mark.parametrize("fault", QUICK)
@pytest.mark.parametrize("name", ["ice", "ethanol", "metal"])
def test_planted_faults(planted, chemistries, name, fault):
    case = planted.FAULTS[fault](chemistries[name], np.random.default_rng(3), QUICK.index(fault))
    report = audit(case.dataset)
    assert case.found(report), str(report)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nineteen_of_twenty(planted, monkeypatch, tmp_path):
    """All faults and chemistries of the benchmark, and not one row below its goal."""
    rows = tmp_path / "rows.json"
    monkeypatch.setattr(sys, "argv", ["data_audit.py", "--sets", "20", "--json", str(rows)])
    planted.main()
    found = json.loads(rows.read_text())
    assert [r["name"] for r in found if "every step" not in r["name"] and r["ratio"] < r["goal"]] == []


def test_a_shift_of_part_of_the_set_is_told():
    ds = labkit.datasets.ice("train", n=120)
    forces = ds.forces.reshape(120, 12, 3).copy()
    forces[40:60] = np.roll(forces[40:60], 3, axis=0)
    report = audit(replace(ds, forces=forces.reshape(-1, 3)))
    assert len(report.bad) >= 18 and set(report.bad) <= set(range(40, 60))
    assert "of them have their forces +3 frames away" in report.about("forces of single")[0].text


def test_repaired_gives_the_labels_back():
    ds = labkit.datasets.ice("train", n=60)
    forces = np.roll(ds.forces.reshape(60, 12, 3), -4, axis=0).reshape(-1, 3)
    report = audit(replace(ds, forces=forces))
    assert report.shifts == {"forces": -4} and report.alignments[0].rolled
    assert (report.repaired().forces == ds.forces).all() and not audit(report.repaired()).problems
    cut = replace(ds[4:], forces=ds[:-4].forces)
    report = audit(cut)
    assert report.shifts == {"forces": 4} and not report.alignments[0].rolled
    assert (report.repaired().forces == ds[4:-4].forces).all() and len(report.repaired()) == 52
    with pytest.raises(LabkitError, match="no shift of labels was found"):
        audit(ds).repaired()


def test_labels_move_only_between_frames_of_the_same_atoms():
    ds = labkit.datasets.ice("train", n=60)
    mixed = ds[:30] + labkit.Dataset.from_atoms(list(_waters(6))) + ds[30:]
    labels = Labels(mixed)
    assert labels.source(29, np.array([0, 1, 7])).tolist() == [29, -1, 36]
    assert labels.source(65, np.array([1]), around=True).tolist() == [0]
    assert not audit(mixed).shifts


def _waters(count):
    from ase.build import molecule
    from ase.calculators.singlepoint import SinglePointCalculator

    for k in range(count):
        atoms = molecule("H2O")
        atoms.rattle(0.05, seed=k)
        atoms.calc = SinglePointCalculator(atoms, energy=-14.0 + k, forces=np.zeros((3, 3)))
        yield atoms


def test_energies_without_forces_are_held_against_the_geometry():
    ds = labkit.datasets.ice("train", n=300)
    alone = replace(ds, forces=np.full_like(ds.forces, np.nan))
    (clean,) = audit(alone).alignments
    assert (clean.label, clean.verdict) == ("energy", "aligned")
    assert audit(replace(alone, energy=np.roll(ds.energy, -6))).shifts == {"energy": -6}
    scrambled = audit(replace(alone, energy=np.random.default_rng(0).permutation(ds.energy)))
    assert not scrambled.shifts and not scrambled.problems


def test_smooth_curves_are_compared_by_what_is_new_in_them():
    random = np.random.default_rng(4)
    orders = np.zeros(400, int)
    slow = np.cumsum(random.normal(size=(2, 400)), axis=1)
    related = Pairing(np.roll(slow[0], 5), slow[0] + random.normal(0, 0.3, 400), orders)
    found, _ = related.whitened().scan()
    assert (found.verdict, found.found) == ("shifted", 5)
    verdicts = []
    for k in range(8):
        one, other = np.cumsum(np.random.default_rng(k).normal(size=(2, 400)), axis=1)
        verdicts.append(Pairing(one, other, orders).whitened().scan()[0].verdict)
    assert not {"shifted", "aligned"} & set(verdicts)


def test_work_along_the_path_is_the_change_of_energy(planted):
    steps = planted.metal(300.0, 30)
    work = path_work(Labels(steps))
    np.testing.assert_allclose(work[:-1], np.diff(steps.energy), atol=2e-4)
    assert np.isnan(work[-1])
    jump = steps[np.r_[0:10, 25:30]]
    assert np.isnan(path_work(Labels(jump))[9]) and np.isfinite(path_work(Labels(jump))[8])


def test_cross_validated_errors_are_those_of_explicit_fits():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(16, 5, 3)), random.normal(size=(16, 5, 1))
    ones = np.ones((16, 1))
    normal = Normal(np.einsum("kip,kiq->kpq", x, x), np.einsum("kip,kis->kps", x, y), (y**2).sum(1), ones)
    rest = np.arange(2, 16)
    solved = np.linalg.lstsq(x[rest].reshape(-1, 3), y[rest].reshape(-1), rcond=None)[0]
    expected = ((y[:2, :, 0] - x[:2] @ solved) ** 2).sum(1)
    np.testing.assert_allclose(normal.misfit(solved[None], np.arange(2), np.array([0]))[:, 0], expected)
    errors = normal.errors()[:, 0]
    assert errors[:2] == pytest.approx(expected, rel=0.05)  # the ridge is small, but not nothing


def test_random_labels_are_unrelated_and_p_is_fair():
    random = np.random.default_rng(1)
    shifts, verdicts = np.arange(-10, 11), []
    for _ in range(10):
        x, y = random.normal(size=(60, 6, 4)), random.normal(size=(60, 6, 21))
        gram, right = np.einsum("kip,kiq->kpq", x, x), np.einsum("kip,kis->kps", x, y)
        verdicts.append(judge("forces", shifts, Normal(gram, right, (y**2).sum(1), np.ones((60, 21))), 60).verdict)
    assert verdicts == ["unrelated"] * 10
    p = np.array([paired(random.normal(size=40))[1] for _ in range(400)])
    assert 0.01 < (p < 0.05).mean() < 0.11


def test_correlated_frames_count_less():
    random = np.random.default_rng(2)
    noise = random.normal(size=2000)
    slow = np.convolve(noise, np.ones(10) / 10, "same")
    assert correlation_length(noise) < 1.5 and 6 < correlation_length(slow) < 16
