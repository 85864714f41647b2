"""Runs come back as they went in; damaged ones harm nobody; two kernels lose nothing."""

import gc
import json
import threading
import weakref
from dataclasses import dataclass, replace

import hypothesis
import numpy as np
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
    """They held gap_fit's settings as text, no name of a model, and no digest."""
    plain = json.loads(example().to_json())
    del plain["sha256"]
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


def nodes(plain, path=()):
    """The paths of all values in JSON."""
    yield path
    items = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    for key, value in items:
        yield from nodes(value, (*path, key))


def changed(plain, path, value):
    plain = json.loads(json.dumps(plain))
    *above, last = path
    place = plain
    for key in above:
        place = place[key]
    place[last] = value
    return plain


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@hypothesis.settings(max_examples=300, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@given(st.data(), st.sampled_from(["gap", "net"]))
def test_one_odd_run_does_not_break_the_others(tmp_path_factory, data, kind) -> None:
    """Whatever stands in a file without a digest, it is refused with its reason, or can be shown."""
    folder = tmp_path_factory.mktemp("runs")
    store = Runs(folder)
    store.add(example("good"))
    plain = json.loads((example() if kind == "gap" else net()).to_json())
    del plain["sha256"]
    path = data.draw(st.sampled_from([p for p in nodes(plain) if p]))
    (folder / "00000000000000001-0000.json").write_text(json.dumps(changed(plain, path, data.draw(ODD))))
    assert "good" in [run.name for run in store.all()] and len(store.all()) + len(store.refused()) == 2
    assert len(store.table()) == len(store.all()) and all(store.refused().values())
    differences({str(k): run for k, run in enumerate(store.all())})


@pytest.mark.parametrize("damage", [b"\xff\xfe", b'{"a":' * 100_000, b"[" * 100_000])
def test_what_is_no_text_or_too_deep_is_left_out(tmp_path, damage: bytes) -> None:
    store = Runs(tmp_path)
    store.add(example("good"))
    (tmp_path / "1.json").write_bytes(damage)
    (tmp_path / "2.json").mkdir()
    assert [run.name for run in store.all()] == ["good"] and list(store.refused()) == ["1.json", "2.json"]


def test_flipped_bits_are_found(tmp_path) -> None:
    store = Runs(tmp_path)
    path = tmp_path / f"{store.add(example())}.json"
    whole, random = path.read_bytes(), np.random.default_rng(0)
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[random.integers(len(whole))] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        for read in Runs(tmp_path).all():  # 1e-07 and 1E-07 are one number
            assert read.to_json() == example().to_json()


def test_runs_are_in_the_order_of_adding_not_of_the_clock(tmp_path, monkeypatch) -> None:
    store = Runs(tmp_path)
    for k, name in enumerate("abc"):
        monkeypatch.setattr("labkit.runs.time.time_ns", lambda k=k: (10 - k) * 10**15)
        store.add(example(name))
    assert [run.name for run in store.all()] == ["a", "b", "c"]


def test_a_model_that_cannot_be_kept_leaves_no_run(tmp_path) -> None:
    class Broken:
        def save(self, path):
            path.write_bytes(b"half")
            raise LabkitError("the disk is full")

    (tmp_path / ".1-0.json.abcd1234.tmp").write_text("of a killed process")
    with pytest.raises(LabkitError, match="the disk is full"):
        Runs(tmp_path).add(example(), Broken())
    assert not list(tmp_path.glob("*.json")) and not list(tmp_path.glob(".*.tmp"))


def test_runs_do_not_keep_those_who_look_at_them(tmp_path) -> None:
    class Panel:
        seen = 0

        def refresh(self):
            Panel.seen += 1

    store, panel = Runs(tmp_path), Panel()
    store.on_change(panel.refresh)
    weak = weakref.ref(panel)
    store.add(example())
    del panel
    gc.collect()
    store.add(example())
    assert weak() is None and Panel.seen == 1
