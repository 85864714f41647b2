"""Training: what it minimises, its plan, and that it is the same after Stop, kill -9 and resume."""

import os
import random
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule

from labkit.base import Progress
from labkit.datasets import Dataset, DatasetWarning, ice
from labkit.errors import LabkitError, Stopped
from labkit.neural import NeuralPotential, Plan, Weights, train, untrained
from labkit.neural.networks.network import NETWORKS
from labkit.neural.training.errors import errors
from labkit.neural.training.frames import TrainingFrames
from labkit.neural.training.loss import predict

SMALL = {"channels": 8, "cutoff": 3.0, "n_radial": 6}
FRAMES = ice("train", n=50)


def weights(potential):
    return {name: value.clone() for name, value in potential.state_dict().items()}


def dimers() -> Dataset:
    """CO in a cell, 1.0 to 1.6 Å long, with a harmonic energy of 40 eV/Å² about 1.2 Å."""
    r = np.linspace(1.0, 1.6, 24)
    positions, zero = np.zeros((24, 2, 3)), np.zeros(24)
    positions[:, 1, 2] = r
    pull = np.stack([np.stack([zero, zero, k * 40 * (r - 1.2)], 1) for k in (1, -1)], 1)
    stress = np.zeros((24, 3, 3))
    stress[:, 2, 2] = 40 * (r - 1.2) * r / 512
    labels = {"energy": 20 * (r - 1.2) ** 2, "forces": pull.reshape(48, 3), "stress": stress}
    return Dataset.from_arrays(positions, [6, 8], cell=[8.0, 8.0, 8.0], pbc=True, **labels)


def assert_equal(one, other) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_batch_gives_what_the_potential_gives(network) -> None:
    potential = untrained(FRAMES, network=network, **SMALL).double()
    frames = TrainingFrames(FRAMES, potential)
    which = np.array([7, 3, 3, 20])
    found = predict(potential.network, frames.batch(which))
    state = FRAMES.state(which)
    expected = potential.evaluate(state, stress=True)
    scale = potential.scale
    lone = state.system.sum_over_atoms(potential.e0[potential.species_of(state.system)])
    torch.testing.assert_close(found.energy * scale + lone, expected.energy)
    torch.testing.assert_close(found.forces * scale, expected.forces)
    torch.testing.assert_close(found.virial * scale, expected.stress * state.volume()[:, None, None])
    batch = frames.batch(which)
    torch.testing.assert_close((batch.energy * scale + lone).numpy(), FRAMES.energy[which])
    torch.testing.assert_close((batch.forces * scale).numpy(), FRAMES.label("forces", which))


def test_errors_are_those_of_the_potential() -> None:
    potential = untrained(FRAMES, **SMALL).double()
    found = errors(potential, TrainingFrames(FRAMES[:6], potential))
    state = FRAMES.state(slice(6))
    got = potential.evaluate(state, stress=True)
    rms = lambda x: float(np.sqrt(np.mean(np.square(x))))  # noqa: E731
    assert found.energy == pytest.approx(rms((got.energy.numpy() - FRAMES.energy[:6]) / FRAMES.counts[:6]))
    assert found.forces == pytest.approx(rms(got.forces.numpy() - FRAMES[:6].forces))
    assert found.stress == pytest.approx(rms(got.stress.numpy() - FRAMES.stress[:6]))


@pytest.mark.parametrize("only", ["energy", "forces", "stress"])
def test_any_subset_of_labels(only) -> None:
    labelled = dimers()
    missing = {n: np.full_like(getattr(labelled, n), np.nan) for n in ("energy", "forces", "stress") if n != only}
    frames = replace(labelled, **missing)
    potential = untrained(labelled, **SMALL)
    before = getattr(errors(potential, TrainingFrames(frames, potential)), only)
    history = train(potential, frames, steps=200, batch=8).history
    assert history[-1][f"train {only}"] < 0.3 * before
    assert all(np.isnan(history[-1][f"train {n}"]) for n in missing)


def test_the_rate_depends_on_the_step_alone() -> None:
    plan = Plan.of(1000, 0.4)
    rates = np.array([plan.rate(k) for k in range(1000)])
    assert rates[99] == 1 and (rates[100:600] == 1).all() and (np.diff(rates[600:]) < 0).all() and rates[-1] < 0.003
    assert np.allclose(rates[:20], Plan.of(10**6).rate(19) * np.arange(1, 21) / 20)
    soon = plan.cooled_from(300)
    assert soon.cooling == 300 and 320 <= soon.steps < 600 and soon.rate(299) == 1 and soon.rate(soon.steps - 1) < 0.1


def test_a_budget_becomes_steps() -> None:
    potential = untrained(FRAMES, **SMALL)
    begun = time.perf_counter()
    trained = train(potential, FRAMES[:16], FRAMES[40:], budget=6.0)
    assert time.perf_counter() - begun < 18
    steps = [row["step"] for row in trained.history]
    assert steps[-1] == trained.plan.steps >= 40 and len(set(steps)) == len(steps)


class StopAfter(Progress):
    def __init__(self, blocks: int) -> None:
        self.left = blocks

    def should_stop(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_stopped_and_resumed(tmp_path) -> None:
    settings = {"steps": 30, "batch": 4, "checkpoint": tmp_path / "training.safetensors"}
    whole = untrained(FRAMES, **SMALL)
    history = train(whole, FRAMES[:16], FRAMES[40:44], **settings).history
    (tmp_path / "training.safetensors").unlink()
    for blocks in (7, 11):
        part = untrained(FRAMES, **SMALL)
        with pytest.raises(Stopped) as stopped:
            train(part, FRAMES[:16], FRAMES[40:44], progress=StopAfter(blocks), **settings)
        assert stopped.value.partial.potential is part
    last = untrained(FRAMES, **SMALL)
    again = train(last, FRAMES[:16], FRAMES[40:44], **settings).history
    assert_equal(weights(last), weights(whole))
    assert [{k: v for k, v in row.items() if k != "seconds"} for row in again] == [
        {k: v for k, v in row.items() if k != "seconds"} for row in history
    ]


def test_continued_with_the_potential_that_stop_returned(tmp_path) -> None:
    settings = {"steps": 20, "batch": 4, "checkpoint": tmp_path / "training.safetensors"}
    whole, part = untrained(FRAMES, **SMALL), untrained(FRAMES, **SMALL)
    with pytest.raises(Stopped):
        train(part, FRAMES[:16], progress=StopAfter(9), **settings)
    train(part, FRAMES[:16], **settings)
    (tmp_path / "training.safetensors").unlink()
    train(whole, FRAMES[:16], **settings)
    assert_equal(weights(part), weights(whole))


@pytest.mark.parametrize("blocks", [3, 12])
def test_stopped_before_its_steps_are_planned_it_begins_again(tmp_path, blocks) -> None:
    settings = {"budget": 5.0, "batch": 4, "checkpoint": tmp_path / "training.safetensors"}
    with pytest.raises(Stopped):
        train(untrained(FRAMES, **SMALL), FRAMES[:8], progress=StopAfter(blocks), **settings)
    assert not (tmp_path / "training.safetensors").exists()
    assert 40 <= train(untrained(FRAMES, **SMALL), FRAMES[:8], **settings).plan.steps < 10_000


def test_placeholders_are_not_fitted() -> None:
    found = []
    for filler in (0.0, np.nan):
        energy = FRAMES.energy[:12].copy()
        energy[[3, 7]] = filler
        potential = untrained(FRAMES, **SMALL)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            train(potential, replace(FRAMES[:12], energy=energy), steps=5)
        assert any("energy of frames 3, 7 is 0" in str(w.message) for w in told) == (filler == 0)
        found.append(weights(potential))
    assert_equal(*found)


def test_stresses_of_open_frames_are_not_fitted() -> None:
    dimer = Dataset.from_arrays(
        np.array([[[0, 0, 0], [0, 0, 1.1]]]), [6, 8], energy=np.ones(1), stress=np.ones((1, 3, 3))
    )
    assert torch.isnan(TrainingFrames(dimer, untrained(dimer, **SMALL)).virial).all()


@pytest.mark.parametrize("averaging", ["ema", pytest.param("swa", marks=pytest.mark.slow)])
def test_killed_and_resumed(tmp_path, averaging) -> None:
    """With snapshots and replayed frames; the second time with the mean of all weights, and dropout."""
    script, root = Path(__file__).with_name("run_to_kill.py"), str(Path(__file__).parents[2])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": root}

    def started(name: str) -> subprocess.Popen:
        arguments = [str(tmp_path / f"{name}.checkpoint"), str(tmp_path / f"{name}.safetensors"), averaging]
        return subprocess.Popen([sys.executable, str(script), *arguments], env=environment)

    assert started("whole").wait(120) == 0
    chance, killed = random.Random(3), 0
    while not (tmp_path / "killed.safetensors").exists():
        process, checkpoint = started("killed"), tmp_path / "killed.checkpoint"
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        while process.poll() is None and killed < 2:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns > before:
                time.sleep(chance.uniform(0, 0.2))
                process.send_signal(signal.SIGKILL)
                killed += 1
                break
            time.sleep(0.01)
        process.wait(120)
    assert killed == 2
    assert len(list(tmp_path.glob("whole.safetensors.*"))) == 3
    for which in ("", ".0", ".1", ".2"):
        files = (tmp_path / f"{name}.safetensors{which}" for name in ("whole", "killed"))
        whole, resumed = (NeuralPotential.load(file) for file in files)
        assert_equal(weights(resumed), weights(whole))


def test_a_checkpoint_of_another_training_is_refused(tmp_path) -> None:
    path = tmp_path / "training.safetensors"
    train(untrained(FRAMES, **SMALL), FRAMES[:8], steps=3, checkpoint=path)
    with pytest.raises(LabkitError, match="training.safetensors: is the checkpoint of another training"):
        train(untrained(FRAMES, **SMALL), FRAMES[:9], steps=3, checkpoint=path)


def test_cooling_down_on_request() -> None:
    potential = untrained(FRAMES, **SMALL)
    asked = iter([False] * 40 + [True] * 1000)
    trained = train(potential, FRAMES[:16], steps=400, cool_down=lambda: next(asked))
    assert 40 < trained.plan.steps < 200 and trained.history[-1]["step"] == trained.plan.steps


def test_a_loss_that_is_not_finite_names_frame_and_step() -> None:
    wild = replace(FRAMES[:8], forces=FRAMES[:8].forces * 1.0)
    wild.forces[wild.offsets[5] : wild.offsets[6]] *= 1e30  # their square is beyond single precision
    potential = untrained(FRAMES, **SMALL)
    with pytest.raises(LabkitError, match="frame 5: the loss is not finite at step 0"):
        train(potential, wild, steps=3)
    assert all(torch.isfinite(v).all() for v in potential.state_dict().values())


def test_saved_and_loaded(tmp_path) -> None:
    potential = untrained(FRAMES, **SMALL)
    train(potential, FRAMES[:8], steps=3)
    potential.save(tmp_path / "model.safetensors")
    other = type(potential).load(tmp_path / "model.safetensors")
    state = FRAMES.state([0, 1])
    assert other.evaluate(state).energy.equal(potential.evaluate(state).energy)
    assert other.metadata["data"] == FRAMES[:8].hash and other.config == potential.config


def test_bad_input() -> None:
    potential = untrained(FRAMES, **SMALL)
    with pytest.raises(LabkitError, match="has no frames"):
        train(potential, FRAMES[:0])
    with pytest.raises(LabkitError, match="N is unknown to this model"):
        train(potential, Dataset.from_arrays(molecule("NH3").positions[None], [7, 1, 1, 1], energy=np.zeros(1)))
    with pytest.raises(LabkitError, match="no frame has an energy or forces"):
        untrained(Dataset.from_arrays(molecule("NH3").positions[None], [7, 1, 1, 1]))
    with pytest.raises(LabkitError, match="rate is -1"):
        train(potential, FRAMES, rate=-1.0)
    with pytest.raises(LabkitError, match="network 'tensornett' is unknown; did you mean 'tensornet'"):
        untrained(FRAMES, network="tensornett")
    with pytest.warns(DatasetWarning, match="a batch of 8 frames, but there are 2"):
        train(potential, FRAMES[:2], steps=2)


def test_a_weight_of_zero_leaves_a_label_out() -> None:
    changed = replace(FRAMES[:8], energy=FRAMES[:8].energy + np.arange(8.0))
    found = []
    for frames in (FRAMES[:8], changed):
        potential = untrained(FRAMES, **SMALL)
        train(potential, frames, steps=5, weights=Weights(energy=0.0))
        found.append(weights(potential))
    assert_equal(*found)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_learns(network) -> None:
    frames = dimers()
    potential = untrained(frames, network=network, **SMALL)
    before = errors(potential, TrainingFrames(frames, potential)).forces
    rate = {"soap-linear": 0.1, "schnet": 0.01, "tensornet": 0.003}[network]
    assert train(potential, frames, steps=200, batch=8, rate=rate).history[-1]["train forces"] < 0.5 * before
