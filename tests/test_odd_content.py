"""Every reader of labkit's own files: whatever is in them, with a valid digest too, only a sentence comes out."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from ase.build import molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_content import DEEP, changed, rewritten

from labkit.base import State
from labkit.errors import LabkitError
from labkit.gap import Design, GapConfig, GapModel, Soap
from labkit.gap.config import Distance2b
from labkit.mobility import PairModel, WholeModel
from labkit.mobility.model_file import load_mobility, save_mobility
from labkit.polarizability import Target, TensorDesign
from labkit.polarizability.committee import TensorCommittee
from labkit.polarizability.model import TensorModel

LIMIT = 5.0  # s for one file, on a busy machine; what is bounded takes a tenth of that
MANY = settings(max_examples=60, deadline=None, derandomize=True)
SEEDS = st.integers(0, 10**9)


@contextlib.contextmanager
def only_sentences():
    """A LabkitError may come out, in time; anything else is a fault."""
    began = time.perf_counter()
    try:
        yield
    except LabkitError as error:
        assert "\n" not in str(error).strip() and len(str(error)) < 3000
    assert time.perf_counter() - began < LIMIT


def water(n: int = 6):
    frames = []
    for seed in range(n):
        atoms = molecule("H2O", cell=[9.0] * 3, pbc=True)
        atoms.rattle(0.05, seed=seed)
        atoms.info |= {"energy": -1.0 * seed, "polarizability": np.eye(3) * (1 + seed)}
        atoms.arrays["forces"] = np.full((3, 3), 0.1 * seed)
        frames.append(atoms)
    return frames


STATE = State.from_atoms(water(1))


def gap(path: Path) -> Callable:
    from labkit.datasets import Dataset

    config = GapConfig(
        (Soap(n_max=2, l_max=1, n_sparse=3, cutoff=3.0), Distance2b(n_sparse=3, cutoff=3.0)), sigma_virial=None
    )
    Design.build(Dataset.from_atoms(water(), name="w"), config).solve().save(path)
    return lambda p: GapModel.load(p).evaluate(STATE) and GapModel.load(p).variance(STATE)


def tensor(path: Path) -> Callable:
    design = TensorDesign.build(water(), Target("polarizability", rank=2), n_max=2, l_max=2, n_features=4, cutoff=3.0)
    design.solve(1e-3).save(path)
    return lambda p: TensorModel.load(p).predict(water(1))


def committee(path: Path) -> Callable:
    design = TensorDesign.build(water(), Target("polarizability", rank=2), n_max=2, l_max=2, n_features=4, cutoff=3.0)
    design.committee(1e-3, range(6), members=4).save(path)
    return lambda p: TensorCommittee.load(p).predict(water(1))


def mobility(kind: type) -> Callable:
    def made(path: Path) -> Callable:
        save_mobility(kind(1e-3, 20.0, width=4), path)
        return lambda p: load_mobility(p).matrix(torch.randn(1, 2, 3, dtype=torch.float64))

    return made


def state(path: Path) -> Callable:
    whole = State.from_atoms(water(2), seed=3)
    whole.replace(aux={"a": torch.zeros(2)}, atom_aux={"b": torch.zeros(6, 2)}).save(path)
    return lambda p: (s := State.load(p)).to_atoms() and s[[0]].volume()


KINDS = {
    "gap": gap, "tensor": tensor, "committee": committee, "pair": mobility(PairModel), "whole": mobility(WholeModel),
    "state": state,
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    made = {}

    def get(kind: str):
        if kind not in made:
            path = tmp_path_factory.mktemp(kind) / "whole"
            made[kind] = (path, KINDS[kind](path))
        return made[kind]

    return get


@pytest.mark.parametrize("kind", KINDS)
@given(seed=SEEDS)
@MANY
def test_models_and_states(kind, files, seed) -> None:
    path, use = files(kind)
    use(path)
    odd = path.with_name("odd")
    rewritten(path, odd, seed)
    with only_sentences():
        use(odd)


@given(seed=SEEDS)
@MANY
def test_the_record_of_exercises(seed) -> None:
    from labkit.exercises import record

    entry = {"tries": 2, "answer": "1.0", "when": "2026-01-01T00:00:00+00:00", "done": ""}
    chance = random.Random(seed)
    plain = changed({"format": 1, "exercises": {"01.1": entry, "02.1": entry}}, chance)
    with only_sentences():
        found = record.parse(json.dumps(plain), "exercises.json")
        record.text(record.merge(found, {"01.1": entry}))
    with pytest.raises(LabkitError):
        record.parse(DEEP, "exercises.json")


@given(seed=SEEDS)
@MANY
def test_runs(seed, tmp_path_factory) -> None:
    """One odd file does not hide the others."""
    from labkit.runs import FitRecord, Runs, differences

    folder = tmp_path_factory.mktemp("runs")
    errors = pd.DataFrame(
        [{"set": s, "quantity": "energy", "rmse": 1.0, "unit": "meV"} for s in ("train", "valid")]
    ).set_index(["set", "quantity"])
    good = FitRecord("a", GapConfig(Soap(n_max=2)), errors, 1.0, 0.1, 3, {"x -> y": ([1.0], [2.0])})
    chance = random.Random(seed)
    (folder / "1.json").write_text(good.to_json())
    text = json.dumps(changed(json.loads(good.to_json()), chance))
    (folder / "2.json").write_text(DEEP if seed % 40 == 0 else text)
    with only_sentences():
        store = Runs(folder)
        store.table()
        found = store.all()
        assert found and len(found) + len(store.refused()) == 2
        for run in found:
            assert all(isinstance(name, str) for name in run.curves)
            run.quantities, run.rmse("train", "energy"), run.settings.summary()
        differences({str(k): run for k, run in enumerate(found)})


@given(seed=SEEDS)
@MANY
def test_session_zips(seed, tmp_path_factory) -> None:
    from labkit.session.archive import LIST, pack, unpack

    folder = tmp_path_factory.mktemp("zip")
    (folder / "a").write_text("one")
    (folder / "b").write_text("two")
    pack(folder / "whole.zip", [("a", folder / "a"), ("runs/b", folder / "b")])
    chance = random.Random(seed)
    with zipfile.ZipFile(folder / "whole.zip") as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    if chance.random() < 0.6:
        parts[LIST] = json.dumps(changed(json.loads(parts[LIST]), chance)).encode("utf-8", "replace")
    else:
        parts[LIST] = chance.choice((DEEP.encode(), b"", b"\xff\xfe", b"null", b"[]"))
    with zipfile.ZipFile(folder / "odd.zip", "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    data = bytearray((folder / "odd.zip").read_bytes())
    for _ in range(chance.choice((0, 0, 1, 4))):
        data[chance.randrange(len(data))] = chance.randrange(256)
    (folder / "odd.zip").write_bytes(data)
    with only_sentences():
        unpack(folder / "odd.zip", folder / "out")
    assert {p.name for p in folder.iterdir()} <= {"a", "b", "whole.zip", "odd.zip", "out"}


@given(seed=SEEDS)
@MANY
def test_settings_of_gaps(seed) -> None:
    """gap_fit's text with words exchanged for odd ones."""
    config = GapConfig((Soap(n_max=2), Distance2b()), e0={"H": -1.0})
    chance = random.Random(seed)
    words = config.text().replace("=", " = ").split(" ")
    odd = ("1e308", "-1", "nan", "inf", "1e-320", "10" * 200, "{", "}", "'", ":", "=", "\x00", "é", "n_max", "T", "")
    for _ in range(chance.choice((1, 2, 3))):
        words[chance.randrange(len(words))] = chance.choice(odd)
    with only_sentences():
        GapConfig.parse(" ".join(words).replace(" = ", "="))


@given(seed=SEEDS)
@MANY
def test_settings_from_dicts(seed) -> None:
    from labkit.files import whole_content
    from labkit.polarizability.settings import Settings

    chance = random.Random(seed)
    for kind, plain in (
        (GapConfig, GapConfig((Soap(n_max=2), Distance2b())).to_dict()),
        (Settings, Settings(Target("polarizability", 2), (1, 8)).to_dict()),
    ):
        with only_sentences(), whole_content(Path("x")):
            kind.from_dict(changed(plain, chance))


@given(seed=SEEDS)
@MANY
def test_the_xml_of_gaps(seed, tmp_path_factory) -> None:
    """labkit's own look at it, before QUIP is allowed to."""
    from labkit.gap.quip_potential import check_model

    folder = tmp_path_factory.mktemp("xml")
    points = b"0.1 0.2\n"
    (folder / "gap.sparse").write_bytes(points)
    digest = hashlib.md5(points, usedforsecurity=False).hexdigest()
    text = (
        f'<GAP><GAP_params><gpSparse><gpCoordinates sparseX_filename="gap.sparse" sparseX_md5sum="{digest}"/>'
        "</gpSparse></GAP_params></GAP>"
    )
    chance = random.Random(seed)
    odd = ("<a>", "</a>", "&#0;", "&b;", "\x00", "é", '"', "<!--", "<![CDATA[", "/" * 300, "../" * 50, "<a>" * 3000, "")
    start = chance.randrange(len(text))
    text = text[:start] + chance.choice(odd) + text[start + chance.choice((0, 0, 1, 9)) :]
    (folder / "gap.xml").write_text(text, encoding=chance.choice(("utf-8", "utf-8", "utf-16", "latin-1")))
    with only_sentences():
        check_model(folder / "gap.xml")


@pytest.mark.parametrize("kind", ['a [<!ENTITY b "c">]', 'a SYSTEM "other.dtd"', "a"])
def test_a_gap_with_a_document_type_is_refused(kind, tmp_path) -> None:
    from labkit.gap.quip_potential import check_model

    (tmp_path / "gap.xml").write_text(f"<!DOCTYPE {kind}><a><GAP_params/></a>")
    with pytest.raises(LabkitError, match=r"gap.xml: .*(DTD|Entities)Forbidden"):
        check_model(tmp_path / "gap.xml")


@given(seed=SEEDS)
@MANY
def test_notes_beside_a_gap(seed, tmp_path_factory) -> None:
    from labkit.gap.quip_potential import notes_of

    folder = tmp_path_factory.mktemp("notes")
    chance = random.Random(seed)
    content = chance.choice((DEEP, "{", "[]", "null", json.dumps(changed({"a": {"b": 1}}, chance))))
    (folder / "gap.xml.json").write_text(content.encode("utf-8", "replace").decode())
    with only_sentences():
        assert isinstance(notes_of(folder / "gap.xml"), dict)
