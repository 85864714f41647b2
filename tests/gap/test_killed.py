"""A fit that is killed resumes from its checkpoint to the same result, bit for bit; and a large fit stays small."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from labkit.gap import GapModel

FIT = """
import sys, labkit
from labkit.gap import Design, GapConfig, Soap
train, valid = labkit.datasets.ice("train", n=50), labkit.datasets.ice("valid")[:20]
config = GapConfig(Soap(cutoff=4.0, n_max=6, l_max=5, n_sparse=60), sparse_jitter=1e-8)
design = Design.build(train, config, valid=valid, checkpoint=sys.argv[1])
design.solve().save(sys.argv[2])
"""

MEMORY = """
import resource, labkit
from labkit.gap import Design, GapConfig, Soap
soap = Soap(cutoff=5.0, n_max=4, l_max=6, zeta=2, n_sparse=1000, sparse_method="random")
design = Design.build(labkit.datasets.ice("train", n=400), GapConfig(soap), valid=labkit.datasets.ice("valid"))
design.solve()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2)
"""


def run(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", FIT, *arguments], env=os.environ | {"OMP_NUM_THREADS": "1"})


def test_killed_and_resumed(tmp_path) -> None:
    assert run(str(tmp_path / "whole"), str(tmp_path / "whole.safetensors")).wait(120) == 0
    folder = tmp_path / "killed"
    killed = run(str(folder), str(tmp_path / "resumed.safetensors"))
    deadline = time.monotonic() + 60
    while len(list(folder.glob("train-*"))) < 2 and time.monotonic() < deadline and killed.poll() is None:
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait(30)
    done = {path: path.stat().st_mtime_ns for path in folder.glob("train-*.safetensors")}
    assert done and not (tmp_path / "resumed.safetensors").exists()
    assert run(str(folder), str(tmp_path / "resumed.safetensors")).wait(120) == 0
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in done.items())  # nothing was computed twice
    whole, resumed = (GapModel.load(tmp_path / f"{name}.safetensors") for name in ("whole", "resumed"))
    assert torch.equal(whole.weights, resumed.weights)


@pytest.mark.slow
def test_memory_of_400_frames() -> None:
    """n4 l6, cutoff 5 Å, 1,000 sparse points a species, energies, forces and stresses: at most 1.2 GB."""
    found = subprocess.run(
        [sys.executable, "-c", MEMORY],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(found.stdout) < 1.2
