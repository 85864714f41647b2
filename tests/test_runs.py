"""Runs come back as they went in; damaged ones harm nobody; two kernels lose nothing."""

import json
import threading
from dataclasses import dataclass, replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.settings import ModelSettings
from labkit.errors import LabkitError
from labkit.gap import Distance2b, GapConfig, Soap
from labkit.polarizability.settings import Settings
from labkit.polarizability.target import Target
from labkit.runs import FitRecord, Runs, differences


@dataclass(frozen=True)
class Schedule:
    rate: float = 1e-3
    warm: bool = True


def example(name: str = "a", **changes) -> FitRecord:
    index = pd.MultiIndex.from_tuples([("train", "energy"), ("valid", "energy")], names=["set", "quantity"])
    errors = pd.DataFrame({"rmse": [0.1, 1 / 3], "unit": "meV/atom"}, index=index)
    settings = GapConfig((Soap(cutoff=3.7, n_max=5), Distance2b(cutoff=5.0)), sigma_force=None)
    given = dict(settings=settings, errors=errors, evidence=-12.5, seconds=1.25, frames=7)
    return FitRecord(name, **{**given, **changes}, curves={"r [Å] -> E [eV]": ([1.0, 1.1], [0.0, 0.5])})


def test_all_of_a_run_is_kept(tmp_path) -> None:
    key = Runs(tmp_path / "new" / "runs").add(example())
    (read,) = Runs(tmp_path / "new" / "runs").all()
    assert (
        read.key == key
        and read.settings == example().settings
        and read.curves == {"r [Å] -> E [eV]": [[1.0, 1.1], [0.0, 0.5]]}
    )
    pd.testing.assert_frame_equal(read.errors, example().errors)
    assert (read.name, read.evidence, read.seconds, read.frames) == ("a", -12.5, 1.25, 7)


def test_the_table_has_settings_and_errors_in_order_of_time(tmp_path) -> None:
    store = Runs(tmp_path)
    seen = []
    store.on_change(lambda: seen.append(len(store.all())))
    keys = [store.add(example(name)) for name in "abc"]
    table = store.table()
    assert table["run"].tolist() == ["a", "b", "c"] and seen == [1, 2, 3]
    assert table.loc[0, ["cutoff", "n_max", "distance_2b cutoff", "frames"]].tolist() == [3.7, 5, 5.0, 7]
    assert table["valid energy RMSE [meV/atom]"].iloc[1] == 1 / 3
    store.remove(keys[1])
    assert store.table()["run"].tolist() == ["a", "c"] and seen[-1] == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"name": 1}', "null", json.dumps({"settings": "nonsense"})])
def test_a_damaged_run_is_left_out_and_left_alone(tmp_path, damage: str) -> None:
    store = Runs(tmp_path)
    store.add(example("good"))
    (tmp_path / "0-bad.json").write_text(damage)
    assert [run.name for run in store.all()] == ["good"]
    assert (tmp_path / "0-bad.json").read_text() == damage


def test_threads_and_other_kernels_add_side_by_side(tmp_path) -> None:
    stores = [Runs(tmp_path) for _ in range(4)]
    threads = [threading.Thread(target=lambda s=s: [s.add(example()) for _ in range(10)]) for s in stores]
    [t.start() for t in threads], [t.join() for t in threads]
    assert all(len(store.all()) == 40 for store in stores)


def test_a_folder_that_cannot_be_is_told(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LabkitError, match="set LABKIT_SESSION"):
        Runs(tmp_path / "file" / "runs").add(example())


def test_the_model_is_kept_on_request(tmp_path) -> None:
    import labkit
    from labkit.gap import Design, GapModel

    settings = GapConfig(Soap(n_max=2, l_max=1, n_sparse=5), sigma_virial=None)
    model = Design.build(labkit.datasets.ice("train", n=50)[:3], settings).solve()
    store = Runs(tmp_path)
    key = store.add(example(), model)
    assert (GapModel.load(store.model_file(key)).weights == model.weights).all()
    store.remove(key)
    assert list(tmp_path.iterdir()) == []


@dataclass(frozen=True)
class Net(ModelSettings):
    """Of a model that labkit does not know."""

    kind = "net"
    layers: tuple[int, ...] = (16, 16)
    cutoff: float = 4.0
    activation: str = "silu"
    schedule: Schedule = Schedule()


def net(name: str = "net", **changes) -> FitRecord:
    index = pd.MultiIndex.from_tuples([("valid", "dipole")], names=["set", "quantity"])
    errors = pd.DataFrame({"rmse": [0.25], "unit": "e Å"}, index=index)
    return FitRecord(name, Net(**changes), errors, None, 2.0, 5)


def test_settings_of_any_model_are_stored_compared_and_shown(tmp_path) -> None:
    store = Runs(tmp_path)
    store.add(example("gap"))
    store.add(net(cutoff=5.0))
    store.add(net("shorter", cutoff=3.0))
    gap, long, short = Runs(tmp_path).all()
    assert gap.settings == example().settings and long.settings.kind == "net" and long.evidence is None
    assert long.settings.row() == Net(cutoff=5.0).row()
    assert Net(cutoff=5.0).row() == {
        "layers": "16 16", "cutoff": 5.0, "activation": "silu", "schedule rate": 1e-3, "schedule warm": True
    }  # fmt: skip
    assert json.loads(long.settings.text())["schedule"] == {"rate": 1e-3, "warm": True}
    table = store.table()
    assert table["model"].tolist() == ["gap", "net", "net"] and table["cutoff"].tolist() == [3.7, 5.0, 3.0]
    assert table["valid dipole RMSE [e Å]"].tolist()[1:] == [0.25, 0.25]
    assert differences({"net": long, "shorter": short}).to_dict("index") == {"cutoff": {"net": 5.0, "shorter": 3.0}}


def test_settings_of_tensors_come_back_as_they_are(tmp_path) -> None:
    settings = Settings(Target("dipole", rank=1, unit="e Å"), (1, 8), n_sparse=50)
    store = Runs(tmp_path)
    store.add(replace(example("dipoles"), settings=settings))
    (read,) = Runs(tmp_path).all()
    assert read.settings == settings


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.builds(Net, st.lists(st.integers(1, 99)).map(tuple), FINITE, st.text()))
def test_any_settings_come_back_from_json(settings) -> None:
    run = replace(net(), settings=settings)
    read = FitRecord.from_json(run.to_json(), "key")
    assert read.settings.row() == settings.row()
    assert Net.from_dict(json.loads(settings.text())).layers == settings.layers


def test_runs_of_earlier_versions_are_read(tmp_path) -> None:
    """They held gap_fit's settings as text, and no name of a model."""
    plain = json.loads(example().to_json())
    plain["settings"] = example().settings.text()
    (tmp_path / "1.json").write_text(json.dumps(plain))
    (read,) = Runs(tmp_path).all()
    assert read.settings == example().settings and read.evidence == -12.5


def test_what_cannot_be_read_is_named(tmp_path) -> None:
    store = Runs(tmp_path)
    store.add(example("good"))
    plain = json.loads(example().to_json())
    plain["settings"]["values"]["sigma_energy"] = -1.0
    (tmp_path / "1.json").write_text(json.dumps(plain))
    (tmp_path / "2.json").write_text("{")
    assert [run.name for run in store.all()] == ["good"]
    refused = store.refused()
    assert list(refused) == ["1.json", "2.json"] and "sigma_energy is -1.0" in refused["1.json"]


def test_settings_without_a_kind_are_refused(tmp_path) -> None:
    with pytest.raises(LabkitError, match="settings are a dict; expected .*ModelSettings"):
        Runs(tmp_path).add(replace(example(), settings={"cutoff": 3.0}))
    assert list(tmp_path.iterdir()) == []
