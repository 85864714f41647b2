"""What a panel shows, its script and its files are of one run, also when a slider was moved since: for every panel.

Each is run, then a parameter is changed without Run; script and files are taken, and the script must give the numbers
that are shown.
"""

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from panels import test_scripts as makers


def of_data(model, names):
    ours = [(f.severity, f.topic, f.text) for f in model.results.findings]
    assert [(f.severity, f.topic, f.text) for f in names["report"].findings] == ours


def of_train(model, names):
    same(names["design"].errors(names["model"])["rmse"], model.results.errors["rmse"])


def of_neural(model, names):
    shown = model.results.potential.state_dict()
    for name, weights in names["potential"].state_dict().items():
        same(weights, shown[name])


def of_overfit(model, names):
    same(names["design"].errors(names["design"].solve())["rmse"], model.ran.point.errors["rmse"], 1e-5)


def of_learning(model, names):
    assert names["curve"].to_csv() == model.results.to_csv()


def of_polarizability(model, names):
    same(names["values"], model.fit.values)


def of_search(model, names):
    pd.testing.assert_frame_equal(names["table"].sort_index(), model.results.sort_index())


def of_dynamics(model, names):
    same(pd.read_csv("run.csv")["potential_eV"], model.log["potential_eV"])


def of_spectra(model, names):
    for name in ("infrared", "raman_isotropic", "density_of_states"):
        found, shown = pd.read_csv(f"{name}.csv", comment="#")["intensity"], model.spectra[name].intensity
        np.testing.assert_allclose(found, shown, rtol=1e-3, atol=1e-4 * shown.max())


def of_timestep(model, names):
    assert names["found"].errors == pytest.approx(model.results.errors, rel=1e-9)


def of_recover(model, names):
    same(names["found"].best, model.results.best)
    same(names["found"].losses, model.results.losses)


def of_mobility(model, names):
    learned, shown = names["model"].state_dict(), model.results.learned.state_dict()
    for name in shown:
        same(learned[name], shown[name])
    csv = pd.read_csv(io.BytesIO(model.files()["mobility.csv"]))
    found = [float(e.value[1]) for _, e in names["by_distance"](names["data"], model.results.edges)]
    same(found, csv["along"])


def of_uncertainty(model, names):
    same(names["judging"].sigmas, model.ran.judged.samples.sigmas)
    same(names["table"].to_numpy(), model.ran.judged.table.to_numpy())


def same(found, expected, rtol=1e-6):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=rtol, atol=1e-12)


#: maker -> a parameter that is changed after the run, and the comparison
CASES: dict[Callable, tuple[str, object, Callable]] = {
    makers.data: ("shift", 0, of_data),
    makers.train: ("cutoff", 4.0, of_train),
    makers.neural: ("rate", 0.001, of_neural),
    makers.overfit: ("sigma_force", 0.3, of_overfit),
    makers.learning: ("sizes", "3, 5", of_learning),
    makers.polarizability: ("noise_2", 0.01, of_polarizability),
    makers.tensor_search: ("cutoff", "4", of_search),
    makers.dynamics: ("temperature", 500.0, of_dynamics),
    makers.dynamics_of_gap: ("dt", 1.0, of_dynamics),
    makers.spectra: ("temperature", 100.0, of_spectra),
    makers.timestep: ("time", 20.0, of_timestep),
    makers.recover: ("factor", 0.9, of_recover),
    makers.mobility: ("force", 20.0, of_mobility),
    makers.uncertainty: ("seed", 1, of_uncertainty),
    makers.uncertainty_of_committee: ("factor", 2.0, of_uncertainty),
}
AT_ONCE = (
    makers.overfit,
    makers.polarizability,
    makers.uncertainty,
    makers.uncertainty_of_committee,
)  # what is shown follows by itself


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_what_is_shown_and_what_its_script_gives_are_the_same(make, tmp_path, monkeypatch):
    (tmp_path / "made").mkdir()
    panel, own, _ = make(tmp_path / "made")
    name, value, compare = CASES[make]
    model = panel.model
    if make is makers.spectra:
        model.picoseconds = 0.12  # long enough to be shown
    panel.run()
    panel.job.wait(100)
    panel.settle()
    before = model.code()
    setattr(model, name, value)
    panel.settle()
    assert (model.code() == before) == (make not in AT_ONCE)
    assert (model.changed == "") == (make in AT_ONCE), model.changed
    folder = tmp_path / "home"
    folder.mkdir()
    for file, content in model.files().items():
        if not file.endswith(".csv"):
            (folder / file).write_bytes(content)
    monkeypatch.chdir(folder)
    names = dict(own)
    exec(model.code(), names)
    compare(model, names)
    panel.close()


def test_all_panels_are_there() -> None:
    assert {makers.MAKERS[make] for make in CASES} == set(makers.MAKERS.values())
