"""Run files with odd content: a sentence, and soon."""

from __future__ import annotations

import random
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from md import files
from odd_content import changed

from labkit.cli import main
from labkit.errors import LabkitError
from labkit.md import RunSettings


@pytest.mark.parametrize("cutoff", ["1000", "1e5", "1e308"])
def test_an_absurd_cutoff(cutoff, tmp_path, capsys) -> None:
    main(["md", str(files.water_box(tmp_path, steps=0, log_dir=str(tmp_path / "first")))])  # compiles the kernels
    path = files.water_box(tmp_path, cutoff=float(cutoff), name="absurd.yaml")
    began = time.perf_counter()
    assert main(["md", str(path)]) == 2
    assert time.perf_counter() - began < 20
    assert "cutoff" in capsys.readouterr().err


@given(seed=st.integers(0, 10**9))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_odd_settings(seed, tmp_path_factory) -> None:
    chance = random.Random(seed)
    plain = {**files.BOX, "exclusions": ["bonds"], "external": {"file": "a.safetensors"}, "replicas": 2}
    text = yaml.safe_dump(changed(plain, chance), allow_unicode=True)
    if chance.random() < 0.3:
        start = chance.randrange(len(text))
        odd = (
            "{" * 3000,
            "[" * 5000,
            "&a [*a]",
            "!!python/object:os.system {}",
            "\x00",
            ": :",
            "- -",
            "9" * 5000,
            "\t",
        )
        text = text[:start] + chance.choice(odd) + text[start + chance.choice((0, 3)) :]
    path = tmp_path_factory.mktemp("run") / "run.yaml"
    path.write_bytes(text.encode("utf-8", "replace"))
    began = time.perf_counter()
    try:
        RunSettings.read(path)
    except LabkitError as error:
        assert str(path) in str(error)
    assert time.perf_counter() - began < 5


def test_aliases_that_grow(tmp_path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 10)]
    path = tmp_path / "run.yaml"
    path.write_text("\n".join(lines))
    began = time.perf_counter()
    with pytest.raises(LabkitError, match="run.yaml: "):
        RunSettings.read(path)
    assert time.perf_counter() - began < 5
