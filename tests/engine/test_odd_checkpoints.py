"""Checkpoints with odd content and a digest that fits: the run continues, or a sentence says why not."""

from __future__ import annotations

import json
import random
import shutil
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_content import DEEP, changed, changed_tensor
from safetensors import safe_open
from safetensors.torch import save_file

from labkit.engine import Langevin, simulate
from labkit.engine.checkpoint import Checkpoint
from labkit.errors import LabkitError
from labkit.files import shapes, tensors_digest
from tests.engine.observers_of_all_kinds import every_observer
from tests.engine.toys import Ideal, fluid


def go(folder, steps):
    return simulate(
        fluid(1), Ideal(), Langevin(100.0, friction=0.01), steps, 1.0, observers=every_observer(folder),
        checkpoint=folder / "c", checkpoint_every=10,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    go(folder, 20)
    return folder


@given(seed=st.integers(0, 10**9))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_checkpoints(made, tmp_path_factory, seed) -> None:
    folder = tmp_path_factory.mktemp("odd") / "run"
    shutil.copytree(made, folder)
    chance = random.Random(seed)
    with safe_open(folder / "c", "pt") as file:
        header, tensors = json.loads(file.metadata()["labkit"]), {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
    text = None
    if chance.random() < 0.5:
        name = chance.choice(sorted(tensors))
        if chance.random() < 0.2:
            del tensors[name]
        else:
            tensors[name] = changed_tensor(tensors[name], chance)
    elif chance.random() < 0.05:
        text = chance.choice((DEEP, "", "[]", "[1]", "null", "NaN"))
    else:
        entry = chance.choice(("positions", "positions", "observers", "run", "start", "step", "shapes", ""))
        if entry:
            header[entry] = changed(header[entry], chance)
        else:
            header = changed(header, chance)
    tensors = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    if text is None and isinstance(header, dict):
        header.pop("digest", None)
        if chance.random() < 0.9:
            header["shapes"] = shapes(tensors)
        header["digest"] = tensors_digest({"labkit": json.dumps(header)}, tensors)
    save_file(tensors, folder / "c", {"labkit": json.dumps(header) if text is None else text})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for attempt in (lambda: go(folder, 30), lambda: Checkpoint.last_state(folder / "c", fluid(1))):
            try:
                attempt()
            except LabkitError as error:
                assert str(error)
