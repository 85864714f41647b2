"""Committees of networks: members equal those of single trainings, whatever the threads; bootstrap, stop, resume."""

import threading
import time

import numpy as np
import pytest
import torch

from labkit.base import Committee, Potential, Progress
from labkit.datasets import ice
from labkit.errors import LabkitError, Stopped
from labkit.neural import NeuralConfig, Training, Zbl, train, train_committee, untrained
from labkit.neural.training.data import Sets
from labkit.neural.training.frames import TrainingFrames

FRAMES = ice("train", n=50)
SMALL = NeuralConfig(channels=8, cutoff=3.0, n_radial=6)


def weights(potential) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in potential.network.parameters()])


def test_members_are_single_trainings_with_other_seeds() -> None:
    found = train_committee(FRAMES[:12], SMALL, FRAMES[40:44], members=3, threads=2, steps=12, batch=4)
    for k, member in enumerate(found.members):
        alone = train(
            untrained(FRAMES[:12], SMALL.replace(seed=k)),
            FRAMES[:12],
            FRAMES[40:44],
            Training(seed=k),
            steps=12,
            batch=4,
        )
        assert torch.equal(weights(member.potential), weights(alone.potential))
    assert isinstance(found.potential, Committee) and found.potential.potentials[1] is found.members[1].potential


def test_threads_change_nothing() -> None:
    one, two = (
        train_committee(FRAMES[:12], SMALL, members=3, threads=n, steps=6, bootstrap=True).potential for n in (1, 2)
    )
    for a, b in zip(one.potentials, two.potentials, strict=True):
        assert torch.equal(weights(a), weights(b))
    state = FRAMES.state([40, 41])
    a, b = one.evaluate(state), two.evaluate(state)
    assert (one.threads, two.threads) == (1, 2) and torch.equal(a.members.forces, b.members.forces)


def test_bootstrap_alone_makes_members_differ() -> None:
    found = train_committee(FRAMES[:12], SMALL, members=2, seeds=False, bootstrap=True, steps=6)
    first, second = (weights(p) for p in found.potential.potentials)
    assert not torch.equal(first, second)
    configs = [p.config.seed for p in found.potential.potentials]
    assert configs == [0, 0]


def test_frames_taken_repeatedly_are_those_of_the_data() -> None:
    """As if the frames had been given so often: no neighbours are searched again."""
    potential = untrained(FRAMES, SMALL)
    which = np.array([5, 0, 5, 3, 11])
    taken = TrainingFrames(FRAMES[:12], potential).take(which)
    again = TrainingFrames(FRAMES[[int(k) for k in which]], potential)
    assert len(taken) == 5 and taken.numbers.tolist() == which.tolist()
    for rows in (np.array([0, 1, 2]), np.array([4, 2]), np.arange(5)):
        one, other = taken.batch(rows), again.batch(rows)
        for name in ("counts", "species", "index", "sign", "i", "j", "vectors", "energy", "forces"):
            assert torch.equal(getattr(one, name), getattr(other, name)), name
        for name in ("i", "j", "pair"):
            assert torch.equal(getattr(one.edges, name), getattr(other.edges, name)), name
    assert "frame 11" in Sets.of(potential, FRAMES[:12], None, None, None).of_member(potential, which).locate(4)


class Impatient(Progress):
    def __init__(self, steps: int) -> None:
        self.asked, self.steps, self.seen = 0, steps, []

    def update(self, step, total, **metrics) -> None:
        self.seen.append((step, total))

    def should_stop(self) -> bool:
        self.asked += 1
        return self.asked > self.steps


def test_stopped_and_resumed_it_is_the_same(tmp_path) -> None:
    options = {"members": 2, "threads": 1, "steps": 10, "batch": 4, "bootstrap": True, "checkpoint": tmp_path}
    with pytest.raises(Stopped) as stop:
        train_committee(FRAMES[:12], SMALL, progress=Impatient(13), **options)
    partial = stop.value.partial
    assert len(partial.members) == 2 and partial.members[1].plan.end < 10
    resumed = train_committee(FRAMES[:12], SMALL, **options)
    whole = train_committee(FRAMES[:12], SMALL, **options | {"checkpoint": None})
    for a, b in zip(resumed.potential.potentials, whole.potential.potentials, strict=True):
        assert torch.equal(weights(a), weights(b))


def test_progress_is_that_of_all_members() -> None:
    seen = Impatient(10**6)
    train_committee(FRAMES[:12], SMALL, members=2, steps=10, progress=seen)
    assert seen.seen[-1] == (20, 20) and [s for s, _ in seen.seen] == sorted(s for s, _ in seen.seen)


class Failing(Progress):
    """Raises for the last of three members, which the others would outlive by far."""

    def __init__(self) -> None:
        self.most = 0.0

    def update(self, step, total, member=0, **metrics) -> None:
        self.most = max(self.most, step / total)
        if member == 2:
            raise RuntimeError("of member 2")


def test_an_error_in_one_member_ends_the_others() -> None:
    progress = Failing()
    with pytest.raises(RuntimeError, match="of member 2"):
        train_committee(FRAMES[:12], SMALL, members=3, threads=3, steps=3000, batch=2, progress=progress)
    assert progress.most < 0.5


class Single(Potential):
    """A potential that only one thread at a time may use, as an ASE calculator."""

    def __init__(self) -> None:
        super().__init__()
        self.cutoff, self.used = 3.0, threading.Lock()

    def atomic_energies(self, system, positions, cell, neighbours) -> torch.Tensor:
        assert self.used.acquire(blocking=False), "used by two threads at once"
        time.sleep(0.05)
        self.used.release()
        return 0.0 * positions.sum(1)


def test_a_prior_that_members_share_is_used_by_one_thread() -> None:
    for prior, threads in ((Single(), 1), (Zbl(["H", "O"]), 2), (None, 2)):
        found = train_committee(FRAMES[:8], SMALL, members=2, threads=2, steps=3, prior=prior).potential
        assert found.threads == threads
        found.evaluate(FRAMES.state([40]))


def test_errors() -> None:
    with pytest.raises(LabkitError, match="members is 1; a committee has at least 2"):
        train_committee(FRAMES[:4], SMALL, members=1)
    with pytest.raises(LabkitError, match="all members would be the same"):
        train_committee(FRAMES[:4], SMALL, seeds=False)
    with pytest.raises(LabkitError, match="all members would be the same, as all draws from one frame are; give seeds"):
        train_committee(FRAMES[:1], SMALL, seeds=False, bootstrap=True, steps=2)
    with pytest.raises(LabkitError, match="threads is 0"):
        train_committee(FRAMES[:4], SMALL, threads=0)
