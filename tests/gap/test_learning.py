"""Learning curves: subsets are fits of their own, resumed tables equal to the byte, other data refused."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

import labkit
from labkit.errors import LabkitError, Stopped
from labkit.gap import Design, Distance2b, GapConfig, Soap
from labkit.gap.learning import LearningCurve
from labkit.gap.power_law import PowerLaw

CONFIG = GapConfig((Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=25), Distance2b(cutoff=3.0, n_sparse=8)))
SIZES = dict(sizes=[5, 10, 20, 40], repeats=3)


@pytest.fixture(scope="module")
def sets():
    return labkit.datasets.ice("train", n=50)[:40], labkit.datasets.ice("valid")[:8]


@pytest.fixture(scope="module")
def curve(sets) -> LearningCurve:
    return LearningCurve.build(*sets_and_config(sets), **SIZES)


def sets_and_config(sets):
    return sets[0], CONFIG, sets[1]


@pytest.mark.parametrize("index", [[3], [5, 3, 31, 0, 2, 19, 8, 7, 6, 30], list(range(40))])
def test_a_subset_is_the_design_of_its_frames(sets, index) -> None:
    whole = Design.build(*sets_and_config(sets)[:2], valid=sets[1])
    part = whole.subset(index)
    alone = Design(sets[0][index], CONFIG, sets[1])
    alone.terms, alone._choose_points = whole.terms, lambda *_: None  # the same sparse points
    *_, alone = alone.growing()
    one, other = part.solve(sigma_energy=0.01), alone.solve(sigma_energy=0.01)
    assert part.e0 == alone.e0 and part.n_frames == len(index)
    np.testing.assert_allclose(part.errors(one)["rmse"], alone.errors(other)["rmse"], rtol=1e-6)
    assert one.log_evidence == pytest.approx(other.log_evidence, rel=1e-9)
    assert one.metadata["train"]["hash"] == sets[0][index].hash
    assert whole.n_frames == 40  # untouched


def test_a_subset_needs_whole_rows(sets) -> None:
    growing = next(Design.grow(*sets_and_config(sets)[:2], valid=sets[1]))
    with pytest.raises(LabkitError, match="this design is incomplete"):
        growing.subset([39])


def test_the_table_has_every_fit_once_and_each_is_what_a_design_says(sets, curve) -> None:
    fits = curve.table[["size", "repeat"]].drop_duplicates().to_numpy().tolist()
    assert fits == [[size, k] for size in (5, 10, 20) for k in range(3)] + [[40, 0]]
    design = Design.build(*sets_and_config(sets)[:2], valid=sets[1])
    model = design.solve()
    mine = curve.table[curve.table["size"] == 40].set_index(["set", "quantity"])
    np.testing.assert_allclose(mine["rmse"], design.errors(model)["rmse"].loc[mine.index], rtol=1e-6)
    first = curve.table[(curve.table["size"] == 5) & (curve.table["repeat"] == 0)]
    part = design.subset(range(5))
    np.testing.assert_allclose(first["rmse"], part.errors(part.solve())["rmse"], rtol=1e-6)


def test_summary_is_mean_and_spread_over_repeats(curve) -> None:
    rows = curve.table.query("size == 10 and set == 'valid' and quantity == 'forces'")["rmse"]
    found = curve.summary().loc[("valid", "forces", 10)]
    assert found["rmse"] == pytest.approx(rows.mean()) and found["spread"] == pytest.approx(rows.std(ddof=1))
    assert curve.summary().loc[("valid", "forces", 40), "spread"] == 0


class StopAfter:
    def __init__(self, fits: int) -> None:
        self.left = fits

    def update(self, step: int, total: int, **metrics: object) -> None:
        self.left -= "frames" not in metrics

    def should_stop(self) -> bool:
        return self.left <= 0


@pytest.mark.parametrize("fits", [1, 4, 9])
def test_stopped_and_resumed_to_the_byte(sets, curve, tmp_path, fits: int) -> None:
    with pytest.raises(Stopped):
        list(LearningCurve.grow(*sets_and_config(sets), **SIZES, checkpoint=tmp_path, progress=StopAfter(fits)))
    assert len(list(tmp_path.glob("fit-*.json"))) == fits
    resumed = LearningCurve.build(*sets_and_config(sets), **SIZES, checkpoint=tmp_path)
    assert resumed.to_csv() == curve.to_csv() and len(resumed.seconds) == 10 - fits
    again = LearningCurve.build(*sets_and_config(sets), **SIZES, checkpoint=tmp_path)
    assert again.to_csv() == curve.to_csv() and not again.seconds


def test_more_sizes_and_repeats_go_on_from_the_same_checkpoint(sets, curve, tmp_path) -> None:
    LearningCurve.build(*sets_and_config(sets), sizes=[10], repeats=2, checkpoint=tmp_path)
    whole = LearningCurve.build(*sets_and_config(sets), **SIZES, checkpoint=tmp_path)
    assert len(whole.seconds) == 8 and whole.to_csv() == curve.to_csv()


SCRIPT = """
import sys, time, labkit
from labkit.gap import Distance2b, GapConfig, Soap
from labkit.gap import learning
config = GapConfig((Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=25), Distance2b(cutoff=3.0, n_sparse=8)))
slow = learning.one_fit
learning.one_fit = lambda *a: (time.sleep(0.3), slow(*a))[1]
train, valid = labkit.datasets.ice("train", n=50)[:40], labkit.datasets.ice("valid")[:8]
sizes = dict(sizes=[5, 10, 20, 40], repeats=3)
for curve in learning.LearningCurve.grow(train, config, valid, **sizes, checkpoint=sys.argv[1]):
    print(len(curve.seconds), flush=True)
"""


def test_killed_and_resumed_to_the_byte(sets, curve, tmp_path) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) == 4:
                time.sleep(0.1)  # inside the next fit
                process.kill()
                break
    kept = sorted(tmp_path.glob("fit-*.json"))
    assert len(kept) == 4 and all(json.loads(path.read_text())["rows"] for path in kept)
    resumed = LearningCurve.build(*sets_and_config(sets), **SIZES, checkpoint=tmp_path)
    assert len(resumed.seconds) == 6 and resumed.to_csv() == curve.to_csv()


def test_workers_make_the_same_table(sets, curve) -> None:
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        there = LearningCurve.build(*sets_and_config(sets), **SIZES, client=client)
    assert there.to_csv() == curve.to_csv()


def test_the_number_of_threads_does_not_show(sets, curve) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2 if before == 1 else 1)
    try:
        other = LearningCurve.build(*sets_and_config(sets), **SIZES)
    finally:
        torch.set_num_threads(before)
    assert other.to_csv() == curve.to_csv()


def test_damage_is_computed_again_and_other_data_refused(sets, curve, tmp_path) -> None:
    LearningCurve.build(*sets_and_config(sets), **SIZES, checkpoint=tmp_path)
    (tmp_path / "fit-000010-001.json").write_text("{")
    again = LearningCurve.build(*sets_and_config(sets), **SIZES, checkpoint=tmp_path)
    assert list(again.seconds) == [(10, 1)] and again.to_csv() == curve.to_csv()
    with pytest.raises(LabkitError, match="other data or settings"):
        LearningCurve.build(sets[0], CONFIG.replace(sigma_energy=0.5), sets[1], sizes=[5], checkpoint=tmp_path)
    with pytest.raises(LabkitError, match="other data or settings"):
        LearningCurve.build(sets[0][1:], CONFIG, sets[1], sizes=[5], checkpoint=tmp_path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sizes": []}, "no sizes"),
        ({"sizes": [0, 5]}, "size 0: expected 1 to 40"),
        ({"sizes": [41]}, "size 41: expected 1 to 40"),
        ({"repeats": 0}, "repeats is 0"),
    ],
)
def test_nonsense_is_told(sets, changes: dict, sentence: str) -> None:
    with pytest.raises(LabkitError, match=sentence):
        LearningCurve.build(*sets_and_config(sets), **{**SIZES, **changes})


def test_overlapping_sets_are_told(sets) -> None:
    curve = LearningCurve.build(sets[0], CONFIG, sets[1] + sets[0][7:9], sizes=[10])
    assert "2 of 10 validation frames are also training frames" in "\n".join(curve.notes)
    assert "validation frame 8, training frame 7" in "\n".join(curve.notes)


def test_no_validation_set_and_no_law(sets) -> None:
    curve = LearningCurve.build(sets[0], CONFIG, sizes=[5, 10], repeats=1)
    assert set(curve.table["set"]) == {"train"}
    with pytest.raises(LabkitError, match="no forces of 'valid'"):
        curve.law()


def test_the_law_of_a_known_line() -> None:
    sizes = np.array([50, 100, 200, 400])
    law = PowerLaw.through(sizes, 300 * sizes**-0.5)
    assert law.exponent == pytest.approx(0.5) and law.spread == pytest.approx(0, abs=1e-9)
    assert law.at(800)[0] == pytest.approx(300 * 800**-0.5)
    noise = np.random.default_rng(0).normal(0, 0.1, (2000, 4))
    laws = [PowerLaw.through(sizes, 300 * sizes**-0.5 * np.exp(row)) for row in noise]
    scatter = np.std([law.exponent for law in laws])
    assert np.sqrt(np.mean([law.spread**2 for law in laws])) == pytest.approx(scatter, rel=0.1)
    ends = np.std([np.log(law.at(800)[0]) for law in laws])
    assert np.sqrt(np.mean([np.log(law.at(800)[1]) ** 2 for law in laws])) == pytest.approx(ends, rel=0.1)
    with pytest.raises(LabkitError, match="two sizes"):
        PowerLaw.through(sizes[:1], sizes[:1])
