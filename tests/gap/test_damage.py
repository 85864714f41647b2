"""What is kept on disk is what was written, or it is computed again: bits, shapes, entries, clocks, other data."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import labkit.datasets
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.files import sealed, write_model
from labkit.gap import Design, Distance2b, GapConfig, GapModel, Soap, cache
from labkit.gap.cache import build_cached
from labkit.gap.checkpoint import RowCheckpoint
from labkit.gap.learning import LearningCurve
from labkit.gap.rows import Rows

CONFIG = GapConfig((Soap(cutoff=3.0, n_max=2, l_max=1, n_sparse=6), Distance2b(cutoff=3.0, n_sparse=4, delta=0.5)))
VALID = labkit.datasets.ice("valid")[:3]


@pytest.fixture(scope="module")
def frames() -> Dataset:
    return labkit.datasets.ice("train", n=50)[:9]


@pytest.fixture(scope="module")
def right(frames) -> torch.Tensor:
    return Design.build(frames, CONFIG, valid=VALID).solve().weights


def flipped(data: bytes, random: np.random.Generator) -> bytes:
    found = bytearray(data)
    found[random.integers(len(found))] ^= 1 << int(random.integers(8))
    return bytes(found)


def rewritten(path, change, **header):
    """Change a file's tensors, or its header, and give it the right digest."""
    with safe_open(path, "pt") as file:
        tensors = change({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        known = {name: x for name, x in file.metadata().items() if name not in ("digest", "shapes")}
    tensors = {name: t.contiguous() for name, t in tensors.items()}
    save_file(tensors, path, sealed({**known, **header}, tensors))


def test_flipped_bits_in_kept_rows_are_found(frames, tmp_path):
    design = Design.build(frames, CONFIG, valid=VALID, checkpoint=tmp_path)
    kept, random = RowCheckpoint(tmp_path, design), np.random.default_rng(0)
    work = [(name, batch[0], design._rows[name].shapes(batch)) for name, batch in design._plan()]
    assert all(kept.read(*batch) is not None for batch in work) and kept.read_points(design.terms) is not None
    for path in sorted(tmp_path.glob("*.safetensors")):
        whole = path.read_bytes()
        for _ in range(150):
            path.write_bytes(flipped(whole, random))
            found = [kept.read(*batch) for batch in work] + [kept.read_points(design.terms)]
            assert sum(x is None for x in found) == 1
        path.write_bytes(whole)


def test_damaged_rows_and_points_are_replaced(frames, right, monkeypatch, tmp_path):
    build = lambda: Design.build(frames, CONFIG, valid=VALID, checkpoint=tmp_path)  # noqa: E731
    assert build().solve().weights.equal(right)
    random = np.random.default_rng(0)
    for path in tmp_path.glob("*.safetensors"):
        path.write_bytes(flipped(path.read_bytes(), random))
    assert build().solve().weights.equal(right)
    seen = computed(monkeypatch)
    assert build().solve().weights.equal(right) and not seen


@pytest.mark.parametrize(
    "change",
    [
        lambda t: {**t, "energy": t["energy"][:1]},
        lambda t: {**t, "force": t["force"][..., :1]},
        lambda t: {name: x for name, x in t.items() if name != "virial"},
        lambda t: {**t, "virial": t["virial"][:, :1]},
        lambda t: {**t, "energy": t["energy"] * torch.nan},
        lambda t: {**t, "energy": t["energy"].T.contiguous()},
        lambda t: {},
    ],
)
def test_kept_rows_of_another_shape_are_computed_again(change, frames, right, monkeypatch, tmp_path):
    Design.build(frames, CONFIG, valid=VALID, checkpoint=tmp_path)
    rewritten(min(tmp_path.glob("train-*")), change)
    for batches in (["train"], []):
        seen = computed(monkeypatch)
        design = Design.build(frames, CONFIG, valid=VALID, checkpoint=tmp_path)
        assert design.solve().weights.equal(right) and seen == batches
        monkeypatch.undo()


def test_rows_are_never_broadcast(frames):
    design = Design.build(frames, CONFIG)
    store, m = design._rows["train"], design.columns
    for rows in (
        Rows(torch.ones(1, m).double(), torch.zeros(1, 3, m).double(), torch.zeros(1, 6, m).double()),
        Rows(torch.ones(2, 1).double(), torch.zeros(24, 3, m).double(), torch.zeros(2, 6, m).double()),
        Rows(torch.ones(2, m).double(), torch.zeros(24, 3, m).double(), None),
    ):
        with pytest.raises(LabkitError, match="rows (energy|virial) of frame 0 on are .*, expected"):
            store.put([0, 1], rows)


def test_rows_of_another_design_are_not_taken(frames, right, tmp_path):
    """A file of equal shape from the folder of another set."""
    Design.build(frames, CONFIG, valid=VALID, checkpoint=tmp_path / "mine")
    Design.build(frames[::-1], CONFIG, valid=VALID, checkpoint=tmp_path / "other")
    for path in (tmp_path / "other").glob("[tpv]*.safetensors"):
        shutil.copy(path, tmp_path / "mine")
    design = Design.build(frames, CONFIG, valid=VALID, checkpoint=tmp_path / "mine")
    assert design.solve().weights.equal(right)


def test_points_of_kinds_are_not_those_of_other_kinds(frames, tmp_path):
    """Dataset.hash leaves out the kinds of frames, which config_type_n_sparse selects points by."""
    config = GapConfig(Soap(cutoff=3.0, n_max=2, l_max=1, other={"config_type_n_sparse": "a:5"}))

    def build(first: str, rest: str, place: str) -> torch.Tensor:
        info = [{**x, "config_type": rest if k else first} for k, x in enumerate(frames.info)]
        design = Design.build(replace(frames, info=info), config, checkpoint=tmp_path / place)
        return design.terms[0].points(8)

    expected = build("b", "a", "fresh")
    assert not build("a", "b", "kept").equal(expected)
    with pytest.raises(LabkitError, match="rows of other data or settings"):
        build("b", "a", "kept")


def computed(monkeypatch) -> list[str]:
    """The batches that are computed from now on."""
    seen, compute = [], Design._compute
    monkeypatch.setattr(Design, "_compute", lambda self, name, frames: seen.append(name) or compute(self, name, frames))
    return seen


@pytest.mark.parametrize("mark", ["{", "", "[]", "null", '{"fingerprint"', '{"labkit": 1}'])
def test_a_damaged_entry_is_replaced(mark, frames, right, monkeypatch, tmp_path):
    build_cached(frames, CONFIG, VALID, folder=tmp_path)
    (place,) = tmp_path.iterdir()
    whole = (place / "design.json").read_text()
    (place / "design.json").write_text(mark)
    seen = computed(monkeypatch)
    design = build_cached(frames, CONFIG, VALID, folder=tmp_path)
    assert design.solve().weights.equal(right) and not seen  # each file knows what it is of
    assert (place / "design.json").read_text() == whole and not design.notes


def test_incomplete_entries_are_completed_or_pruned(frames, right, tmp_path):
    build_cached(frames, CONFIG, VALID, folder=tmp_path)
    (place,) = tmp_path.iterdir()
    (place / "design.json").unlink()
    assert not build_cached(frames, CONFIG, VALID, folder=tmp_path).notes and (place / "design.json").exists()
    (place / "design.json").unlink()
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "notes.txt").write_text("kept")
    build_cached(frames, CONFIG.replace(sparse_jitter=1e-9), VALID, folder=tmp_path)
    assert not place.exists() and foreign.exists()


def test_what_was_left_half_written_is_removed(frames, tmp_path):
    build_cached(frames, CONFIG, folder=tmp_path)
    (place,) = tmp_path.iterdir()
    (place / ".train-000000.safetensors.abcd1234.tmp").write_bytes(b"half")
    build_cached(frames, CONFIG, folder=tmp_path)
    assert not list(place.glob(".*.tmp"))


@pytest.mark.parametrize("name", ["atomic_write", "os.utime"])
def test_a_cache_that_is_only_readable_is_used(name, frames, right, monkeypatch, tmp_path):
    build_cached(frames, CONFIG, VALID, folder=tmp_path)

    def fails(path, *more, **options):
        raise (
            LabkitError(f"{path}: could not be written") if name == "atomic_write" else PermissionError(1, "not yours")
        )

    for room in ("labkit.gap.cache", "labkit.gap.checkpoint"):
        monkeypatch.setattr(f"{room}.atomic_write", fails) if name == "atomic_write" else None
    monkeypatch.setattr("labkit.gap.checkpoint.atomic_tensors", fails)
    monkeypatch.setattr(os, "utime", fails)
    seen = computed(monkeypatch)
    design = build_cached(frames, CONFIG, VALID, folder=tmp_path)
    assert design.solve().weights.equal(right) and not seen and not design.notes
    (place,) = tmp_path.iterdir()
    min(place.glob("valid-*")).unlink()
    design = build_cached(frames, CONFIG, VALID, folder=tmp_path)
    assert seen == ["valid"] and sum("nothing is kept on disk" in note for note in design.notes) == 1


def test_designs_go_in_the_order_of_their_use_not_of_the_clock(frames, tmp_path):
    configs = [CONFIG.replace(sparse_jitter=10.0**-k) for k in (8, 9, 10)]
    places = []
    for k, config in enumerate(configs):
        build_cached(frames, config, folder=tmp_path)
        places += [path for path in tmp_path.iterdir() if path not in places]
        os.utime(places[-1], (1e9 - k, 1e9 - k))  # each seems older than the last
    one = cache._size(places[0])
    build_cached(frames, configs[2], folder=tmp_path, limit=int(2.5 * one))
    assert [place.exists() for place in places] == [False, True, True]


# models


@pytest.fixture(scope="module")
def saved(frames, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "gap.safetensors"
    Design.build(frames, CONFIG).solve().save(path)
    return path


def test_flipped_bits_in_a_model_are_found(saved, tmp_path):
    random, whole, path = np.random.default_rng(1), saved.read_bytes(), tmp_path / "gap.safetensors"
    for _ in range(300):
        path.write_bytes(flipped(whole, random))
        with pytest.raises(LabkitError):
            GapModel.load(path)


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda t: {**t, "weights": t["weights"] * torch.nan}, "numbers of weights are not finite"),
        (lambda t: {**t, "factor": t["factor"] / 0}, "numbers of factor are not finite"),
    ],
)
def test_a_model_of_other_numbers_is_refused(change, match, saved, tmp_path):
    path = tmp_path / "gap.safetensors"
    shutil.copy(saved, path)
    rewritten(path, change)
    with pytest.raises(LabkitError, match=match):
        GapModel.load(path)


def test_a_model_that_is_not_finite_is_not_written(saved, tmp_path):
    model = GapModel.load(saved)
    model.weights[0] = torch.nan
    with pytest.raises(LabkitError, match="1 of .* numbers of weights are not finite; .*not written"):
        model.save(tmp_path / "gap.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_model_of_an_earlier_version_without_shapes_is_read(saved, tmp_path):
    path = tmp_path / "gap.safetensors"
    with safe_open(saved, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = {name: x for name, x in file.metadata().items() if name not in ("digest", "shapes")}
    from labkit.files import tensors_digest

    save_file(tensors, path, {**header, "digest": tensors_digest(header, tensors)})
    assert GapModel.load(path).weights.equal(GapModel.load(saved).weights)


def test_shapes_are_part_of_the_digest(tmp_path):
    """Two tensors of the same bytes, in another shape."""
    path = tmp_path / "x.safetensors"
    write_model(path, "test", "", {"x": torch.arange(6.0).reshape(2, 3)})
    path.write_bytes(path.read_bytes().replace(b'"shape":[2,3]', b'"shape":[3,2]'))
    from labkit.files import read_tensors

    with pytest.raises(LabkitError, match="do not match"):
        read_tensors(path, "test", "thing", "cpu")


# learning curves

CURVE = {"sizes": [3, 6], "repeats": 2}


@pytest.mark.filterwarnings("ignore")
def test_flipped_bits_in_fits_of_a_curve_are_computed_again(frames, monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    build = lambda: LearningCurve.build(frames, CONFIG, VALID, **CURVE, checkpoint=tmp_path / "curve")  # noqa: E731
    whole = build().to_csv()
    files = {path: path.read_bytes() for path in (tmp_path / "curve").glob("fit-*.json")}
    random = np.random.default_rng(2)
    for _ in range(15):
        for path, data in files.items():
            path.write_bytes(flipped(data, random))
        assert build().to_csv() == whole and not build().seconds
    (tmp_path / "curve" / "curve.json").write_text("{")
    curve = build()
    assert curve.to_csv() == whole and not curve.seconds
    for path, data in files.items():  # as an earlier version wrote them
        path.write_text(json.dumps({"rows": json.loads(data)["rows"]}))
    assert len(build().seconds) == len(files)


@pytest.mark.parametrize("name", ("energy_sigma", "force_sigma", "virial_sigma"))
def test_a_curve_of_frames_with_other_sigmas_is_another(name, frames, monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))

    def build(sigma):
        info = [{**x, **({} if sigma is None else {name: sigma})} for x in frames.info]
        own = Dataset(frames.atoms, *(getattr(frames, x) for x in LABELS), info=info, name=frames.name)
        return LearningCurve.build(own, CONFIG, VALID, **CURVE, checkpoint=tmp_path / "curve")

    build(0.5)
    assert not build(0.5).seconds
    for sigma in (0.25, None):
        with pytest.raises(LabkitError, match="other data or settings"):
            build(sigma)


LABELS = ("energy", "forces", "stress", "polarizability", "born_charges")
