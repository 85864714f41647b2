"""`labkit train`: it trains, stops, is killed, resumes, and loses nothing; the model runs in `labkit md`."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import labkit.train.command as command
from labkit.cli import main
from labkit.datasets import ice, load
from labkit.errors import Stopped
from labkit.neural import NeuralConfig, NeuralPotential, Training, train, untrained

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL = {"channels": 4, "cutoff": 2.5, "n_radial": 4, "batch": 4, "val_size": 4, "test_size": 6, "seed": 0}


def run_file(folder: Path, n: int = 20, frames: object = None, **changes: object) -> Path:
    """A small training on ice; its results go to folder/log."""
    if "data" not in changes:
        (ice("train", n=50)[:n] if frames is None else frames).write(folder / "ice.xyz")
    values = {"data": "ice.xyz", "steps": 12, "log_dir": str(folder / "log"), **SMALL, **changes}
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in values.items() if value is not None}))
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def assert_same_weights(one: Path, other: NeuralPotential) -> None:
    found, expected = NeuralPotential.load(one).state_dict(), other.state_dict()
    assert found.keys() == expected.keys() and all(torch.equal(found[k], expected[k]) for k in expected)


def test_it_trains_as_python_does(tmp_path, capsys) -> None:
    path = run_file(tmp_path)
    assert main(["train", str(path)]) == 0
    log = tmp_path / "log"
    rows = np.load(log / "splits.npz")
    frames = load(tmp_path / "ice.xyz", energy_key="energy", forces_key="forces", stress_key="stress")
    learned, valid, test = (frames[rows[name]] for name in ("idx_train", "idx_val", "idx_test"))
    assert (len(learned), len(valid), len(test)) == (10, 4, 6)
    potential = untrained(learned, NeuralConfig(channels=4, cutoff=2.5, n_radial=4))
    trained = train(potential, learned, valid, Training(steps=12, batch=4))
    assert_same_weights(log / "model.safetensors", potential)
    assert [float(r["step"]) for r in table(log / "history.csv")] == [r["step"] for r in trained.history]
    found = {row["frames"]: row for row in table(log / "errors.csv")}
    state = test.state()
    result = potential.evaluate(state)
    mae = np.abs(result.energy.numpy() - test.energy).mean()
    assert float(found["test"]["energy MAE eV"]) == pytest.approx(mae, rel=1e-5)
    rmse = np.sqrt(np.square(result.forces.numpy() - test.forces).mean())
    assert float(found["test"]["forces RMSE eV/Å"]) == pytest.approx(rmse, rel=1e-5)
    assert found["validation"]["number"] == "4"
    out = capsys.readouterr().out
    assert "10 frames to train, 4 to validate, 6 to test" in out and "test (6 frames): energy MAE eV" in out
    assert out.splitlines()[0] in (log / "training.log").read_text()


class StopSoon(command.TrainingBar):
    def should_stop(self) -> bool:
        type(self).left -= 1
        return type(self).left < 0


def test_stopped_with_the_model_written_and_resumed(tmp_path, capsys, monkeypatch) -> None:
    path, log = run_file(tmp_path), tmp_path / "log"
    assert main(["train", str(path), "--out", str(tmp_path / "whole")]) == 0
    monkeypatch.setattr(command, "TrainingBar", StopSoon)
    StopSoon.left = 7
    assert main(["train", str(path)]) == 130
    said = capsys.readouterr().out
    assert f"resume with: labkit train {path} --resume" in said
    assert NeuralPotential.load(log / "model.safetensors").metadata["steps"] == 7
    StopSoon.left = 1000
    assert main(["train", str(path), "--resume"]) == 0
    assert_same_weights(log / "model.safetensors", NeuralPotential.load(tmp_path / "whole" / "model.safetensors"))
    steps = [row["step"] for row in table(log / "history.csv")]
    assert steps == [row["step"] for row in table(tmp_path / "whole" / "history.csv")]


def started(path: Path, *arguments: str) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "labkit", "train", str(path), *arguments]
    return subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(path: Path, process: subprocess.Popen, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < end and process.poll() is None:
        time.sleep(0.05)
    assert path.exists(), process.communicate()


def test_ctrl_c_ends_with_the_model_written(tmp_path) -> None:
    path, log = run_file(tmp_path, steps=1_000_000), tmp_path / "log"
    process = started(path)
    wait_for(log / "history.csv", process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert "the model as it is now is" in out and "Traceback" not in out
    assert NeuralPotential.load(log / "model.safetensors").metadata["steps"] > 0


@pytest.mark.slow  # that of tests/neural stays fast
def test_killed_and_resumed(tmp_path) -> None:
    path, log = run_file(tmp_path, steps=100_000), tmp_path / "log"
    process = started(path)
    wait_for(log / "training.checkpoint", process)
    process.kill()
    process.communicate()
    assert main(["train", str(path)]) == 2  # nothing is overwritten
    reached = int(float(table(log / "history.csv")[-1]["step"]))
    (log / "history.csv").unlink()
    process = started(path, "--resume")
    wait_for(log / "history.csv", process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    steps = [float(row["step"]) for row in table(log / "history.csv")]
    assert steps == sorted(set(steps)) and steps[0] == 20 and steps[-1] > reached  # rows from before the kill, too


def test_an_earlier_training_stays(tmp_path, capsys) -> None:
    path, log = run_file(tmp_path), tmp_path / "log"
    assert main(["train", str(path), "--resume"]) == 2 and "there is no checkpoint" in capsys.readouterr().err
    assert main(["train", str(path)]) == 0
    before = {p.name: p.read_bytes() for p in log.iterdir()}
    assert main(["train", str(path)]) == 2
    assert "an earlier training is here" in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in log.iterdir()} == before
    assert main(["train", str(path), "--overwrite"]) == 0


def test_a_checkpoint_of_other_data_or_settings(tmp_path, capsys) -> None:
    path = run_file(tmp_path)
    assert main(["train", str(path)]) == 0
    before = (tmp_path / "log" / "model.safetensors").read_bytes()
    for changes in ({"n": 21}, {"rate": 1e-4}, {"channels": 5}):
        assert main(["train", str(run_file(tmp_path, **changes)), "--resume"]) == 2
        assert "training.checkpoint: is the checkpoint of another training" in capsys.readouterr().err
    assert (tmp_path / "log" / "model.safetensors").read_bytes() == before


def test_trained_on_from_a_model(tmp_path) -> None:
    assert main(["train", str(run_file(tmp_path, steps=30))]) == 0
    first = tmp_path / "first.safetensors"
    (tmp_path / "log" / "model.safetensors").rename(first)
    path = run_file(tmp_path, load_model="first.safetensors", steps=2)
    assert main(["train", str(path), "--overwrite"]) == 0
    found = NeuralPotential.load(tmp_path / "log" / "model.safetensors")
    old = NeuralPotential.load(first)
    assert torch.equal(found.e0, old.e0) and found.config == old.config
    moved = (found.network.last.weight - old.network.last.weight).abs().max()
    assert 0 < float(moved) < 0.01


def test_stopped_is_raised_with_a_model() -> None:
    """What the command relies on."""
    potential = untrained(ice("train", n=50)[:4], NeuralConfig(channels=4, cutoff=2.5))

    class Now(command.TrainingBar):
        def __init__(self) -> None: ...
        def should_stop(self) -> bool:
            return True

    with pytest.raises(Stopped) as stopped:
        train(potential, ice("train", n=50)[:4], steps=3, progress=Now())
    assert stopped.value.partial.potential is potential
