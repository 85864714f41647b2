"""The same numbers on the GPU as on the CPU."""

import os
import subprocess
import sys

import pytest
import torch

SCRIPT = """
import sys, labkit
from labkit.base import State
from labkit.gap import Design, Distance2b, GapConfig, Soap
train, valid = labkit.datasets.ice("train", n=50)[:12], labkit.datasets.ice("valid")[:6]
config = GapConfig((Soap(cutoff=3.5, n_max=5, l_max=4, n_sparse=30), Distance2b(n_sparse=10)), sparse_jitter=1e-8)
design = Design.build(train, config, valid=valid)
model = design.solve()
result = model.evaluate(State.from_atoms(valid.atoms), stress=True)
of_systems = model.variance(State.from_atoms(valid.atoms))[1]
print(design.errors(model)["rmse"].to_json(orient="values"))
print(result.forces.abs().sum().item(), result.stress.abs().sum().item(), of_systems.sqrt().sum().item())
"""


def run(device: str) -> list[float]:
    environment = os.environ | {"LABKIT_DEVICE": device}
    text = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    first, second = text.stdout.splitlines()
    return [float(x) for x in first.strip("[]").split(",")] + [float(x) for x in second.split()]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
def test_fit_and_evaluation_on_both_devices() -> None:
    assert run("cuda") == pytest.approx(run("cpu"), rel=1e-5)
