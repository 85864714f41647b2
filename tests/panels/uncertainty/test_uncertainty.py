"""The Uncertainty panel without a screen, on a GAP and a network of shipped frames."""

import io

import numpy as np
import pandas as pd
import pytest

import labkit
from labkit.active.calibration import Samples, report, rescale
from labkit.active.calibration.held_out import halves
from labkit.active.calibration.judged import judge
from labkit.active.calibration.measures import auc, spearman
from labkit.active.kinds import of_kind
from labkit.base import ModulePotential
from labkit.errors import LabkitError
from labkit.gap import Design, GapConfig, Soap
from labkit.neural import untrained
from labkit.panels import UncertaintyPanel

KIND = "GAP: GP variance"


@pytest.fixture(scope="module")
def sets():
    train, valid = labkit.datasets.ice("train", n=50)[:10], labkit.datasets.ice("valid")[::4]
    gap = Design.build(train, GapConfig(Soap(cutoff=3.5, n_max=4, l_max=3, n_sparse=40))).solve()
    return {"GAP": gap, "network": untrained(train, channels=8, cutoff=3.0)}, train, valid


@pytest.fixture
def panel(sets):
    panel = UncertaintyPanel(*sets)
    panel.run()
    panel.job.wait(60)
    panel.settle()
    yield panel
    panel.close()


def set_all(panel, **values):
    for name, value in values.items():
        setattr(panel.model, name, value)
    panel.settle()
    assert panel.model.message == ""


def test_kinds_are_those_that_the_potentials_offer(sets, panel):
    found = list(panel.model.results)
    assert found[0] == KIND
    assert {"GAP: nearest environments", "network: last layer", "network: Mahalanobis distance"} < set(found)
    assert not any("dropout" in name or "committee" in name for name in found)
    alone = UncertaintyPanel(sets[0]["GAP"], *sets[1:])
    assert alone.model.kind == "GP variance"


def test_what_is_shown_is_what_the_measures_give(sets, panel):
    potentials, train, valid = sets
    set_all(panel, rescaling="isotonic", seed=1)
    samples = Samples.of(of_kind(potentials["GAP"], "GP variance", train), potentials["GAP"], valid)
    fitting, judging = halves(samples, "trajectory", 1)
    frames = valid[np.unique(fitting.frame)]
    again = rescale(
        of_kind(potentials["GAP"], "GP variance", train), potentials["GAP"], frames, "isotonic", queried=train
    )
    expected = Samples.of(again, potentials["GAP"], valid[np.unique(judging.frame)])
    shown = panel.model.judged
    np.testing.assert_allclose(shown.samples.sigmas, expected.sigmas, rtol=1e-9)
    np.testing.assert_allclose(shown.samples.errors, expected.errors, rtol=1e-9)
    assert shown.table.loc["Spearman", "value"] == pytest.approx(spearman(expected.errors, expected.sigmas))
    assert f"{shown.table.loc['ENCE', 'value']:.3f}" in panel.model.table
    assert not set(shown.samples.run) & set(fitting.run)


def test_the_factor_by_hand(panel):
    set_all(panel, rescaling="one factor")
    found = panel.model.judged
    assert "σ' = " in panel.model.note
    set_all(panel, rescaling="by hand", factor=found.rescaling.factor)
    np.testing.assert_allclose(panel.model.judged.samples.sigmas, found.samples.sigmas)
    set_all(panel, factor=0.01 * found.rescaling.factor)
    one, other = (x.table.loc["miscalibration area", "value"] for x in (found, panel.model.judged))
    assert one < 0.2 < other  # σ a hundred times too small: nearly every error is outside
    ranks = (x.table.loc["Spearman", "value"] for x in (found, panel.model.judged))
    assert len({round(rank, 9) for rank in ranks}) == 1


def test_a_score_has_no_size(panel):
    set_all(panel, kind="GAP: nearest environments")
    judged = panel.model.judged
    assert not judged.sizes and "ENCE" not in judged.table.index and "score" in panel.model.note
    set_all(panel, rescaling="by species")
    assert panel.model.judged.sizes and "ENCE" in panel.model.judged.table.index
    assert "σ of H" in panel.model.note


def test_per_frame(panel):
    set_all(panel, per="frame", bound=0.3)
    judged = panel.model.judged
    samples = judged.samples
    first = samples.frame == samples.frame[0]
    assert judged.errors[0] == samples.errors[first].max() and judged.sigmas[0] == samples.sigmas[first].max()
    assert judged.table.loc["AUC above 0.3", "value"] == pytest.approx(auc(judged.errors, judged.sigmas, 0.3))


def test_test_frames(sets, panel):
    settings = {"factor": 1.0, "by": "random", "on": "test frames", "frames": False, "bound": 0.2, "seed": 0}
    with pytest.raises(LabkitError, match="no test frames"):
        judge(panel.model.results[KIND], "none", **settings)
    tested = UncertaintyPanel(sets[0]["GAP"], *sets[1:], labkit.datasets.ice("disordered")[::40])
    tested.run().wait(60)
    tested.settle()
    set_all(tested, on="test frames")
    assert len(np.unique(tested.model.judged.samples.frame)) == 5
    tested.close()


def test_a_click_names_frame_and_atom_and_finds_the_nearest_environment(sets, panel):
    model = panel.model
    axes = next(k for k, each in enumerate(model.plotted.axes) if each.name == "errors")
    series = next(s for s in model.plotted.series if s.name == "atoms O")
    k = int(series.y.argmax())
    pointer = model.plotted.pointer(axes, series.x[k], series.y[k])
    assert model.action(pointer) == "show this atom"
    model.press(pointer)
    found = model.picked
    valid = sets[2]
    predicted = sets[0]["GAP"].evaluate(valid.state([found.frame])).forces.numpy()
    error = np.linalg.norm(predicted - valid.labels(found.frame)["forces"], axis=1)
    assert found.atoms.symbols[found.atom] == "O" and error[found.atom] == pytest.approx(found.error)
    assert found.error == pytest.approx(series.y[k]) and found.sigma == pytest.approx(series.x[k])
    assert f"Frame {found.frame}, atom {found.atom} (O)" in found.words
    assert found.known.symbols[found.nearest.atom] == "O" and found.known.arrays["spread"].sum() == 1
    assert found.atoms.arrays["spread"].max() == 1
    view = panel._below()[0]  # another one of the same model
    model.picked = None
    model.press(pointer)
    assert view.structure.model.count == 2
    model.press(pointer)
    assert view.structure.model.count == 2 and view.structure.model.index == 0


def test_stop_keeps_what_is_done_and_continue_evaluates_the_rest(sets):
    panel = UncertaintyPanel(*sets)
    model = panel.model
    model.observe(lambda change: panel.stop(), "results")
    panel.run()
    panel.job.wait(60)
    model.unobserve_all("results")
    assert 1 <= len(model.results) < len(model.kinds) and model.status == "stopped"
    last = list(model.kinds)[-1]
    panel.settle()
    model.kind = last
    panel.settle()
    assert "press Continue" in model.note
    panel.go_on()
    panel.job.wait(60)
    panel.settle()
    assert set(model.results) == set(model.kinds) and model.ran.kind == last and model.changed == ""
    with pytest.raises(LabkitError, match="all kinds have been evaluated"):
        panel.go_on()
    panel.close()


def test_downloads(panel):
    set_all(panel, rescaling="one factor")
    files = panel.model.files()
    table = pd.read_csv(io.BytesIO(files["errors.csv"]))
    np.testing.assert_allclose(table["error_eV_per_A"], panel.model.judged.samples.errors)
    assert files["uncertainty.png"].startswith(b"\x89PNG") and "potential.safetensors" in files
    measures = pd.read_csv(io.BytesIO(files["measures.csv"]), index_col=0)
    assert measures.loc["NLL", "value"] == pytest.approx(panel.model.judged.table.loc["NLL", "value"])


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [("bound", -1.0, "the bound is -1"), ("seed", 0, ""), ("factor", 0.0, "the factor is 0")],
)
def test_settings_that_make_no_sense(panel, name, value, sentence):
    panel.model.rescaling = "by hand"
    setattr(panel.model, name, value)
    panel.settle()
    assert sentence in panel.model.message and bool(sentence) == bool(panel.model.message)


def test_one_trajectory_is_refused_in_words(sets):
    potentials, train, valid = sets
    panel = UncertaintyPanel(potentials["GAP"], train, valid[:6])
    panel.run()
    with pytest.raises(LabkitError, match="of one trajectory only; take halves at random"):
        panel.job.wait(60)
    panel.model.by = "random"
    panel.settle()
    panel.run().wait(60)
    assert panel.model.judged is not None
    panel.close()


def test_what_offers_nothing_is_refused(sets):
    with pytest.raises(LabkitError, match="no kind of uncertainty for ModulePotential"):
        UncertaintyPanel(ModulePotential(lambda x: x.square().sum()), *sets[1:])
    with pytest.raises(LabkitError, match="validation set is empty"):
        UncertaintyPanel(sets[0], sets[1], sets[2][:0])


def test_the_report_is_that_of_the_samples(panel):
    judged = panel.model.judged
    again = report(judged.samples.errors, judged.samples.sigmas, bound=0.2, dof=3, group=judged.samples.group, draws=60)
    pd.testing.assert_frame_equal(judged.table, again)
