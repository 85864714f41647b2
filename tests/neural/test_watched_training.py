"""A training that is watched: what it reports is what the plain training gives, and its trainings give it again."""

import numpy as np
import pytest
import torch

from labkit.base import Progress
from labkit.datasets import ice
from labkit.errors import LabkitError, Stopped
from labkit.gap import errors
from labkit.neural import NeuralConfig, Plan, Training, Weights, train, untrained, watch_training

SMALL = NeuralConfig(channels=8, cutoff=3.0, n_radial=6)
FRAMES = ice("train", n=50)
DATA, VALID = FRAMES[:16], FRAMES[40:44]


class Reports(Progress):
    """Keeps all reports; asks to stop after a number of steps."""

    def __init__(self, stop_at=10**9) -> None:
        self.found, self.stop_at, self.step = [], stop_at, 0

    def update(self, step, total, **metrics) -> None:
        self.found.append(metrics["result"])
        self.fraction = step / total

    def should_stop(self) -> bool:
        self.step += 1
        return self.step > self.stop_at


def assert_equal(one, other) -> None:
    one, other = one.state_dict(), other.state_dict()
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def again(found, data=DATA, valid=VALID):
    """The potential that `found.trainings` give."""
    potential = untrained(data, SMALL)
    for training in found.trainings:
        train(potential, data, valid, training)
    return potential


def test_it_is_the_plain_training() -> None:
    reports = Reports()
    found = watch_training(DATA, SMALL, VALID, Training(steps=60, batch=4), progress=reports)
    plain = untrained(DATA, SMALL)
    trained = train(plain, DATA, VALID, steps=60, batch=4)
    assert_equal(found.potential, plain)
    assert found.losses == trained.losses and len(found.losses) == found.planned == 60
    assert [row["step"] for row in found.history] == [row["step"] for row in trained.history]
    expected = errors(plain, VALID)["rmse"]
    for quantity in ("energy", "forces", "stress"):
        assert found.errors.loc[("valid", quantity), "rmse"] == expected["frames", quantity]
    assert reports.found[-1].steps == 60 and reports.fraction == 1


def test_what_is_reported_on_the_way_are_predictions_with_averaged_weights() -> None:
    reports = Reports()
    watch_training(DATA, SMALL, VALID, Training(steps=60, batch=4), progress=reports)
    part = next(one for one in reports.found if one.history and one.history[-1]["step"] == 20)
    expected = errors(part.potential, VALID)["rmse"]
    for quantity in ("energy", "forces"):
        assert part.errors.loc[("valid", quantity), "rmse"] == pytest.approx(expected["frames", quantity], rel=1e-4)
        steps, values = part.curve("valid", quantity)
        assert steps[-1] == 20 and values[-1] == pytest.approx(expected["frames", quantity], rel=1e-4)
    found = part.predictions["train"]
    np.testing.assert_array_equal(found["energy_true"], DATA.energy)
    np.testing.assert_array_equal(found["forces_true"], DATA.forces)
    assert part.planned == 60 and len(part.losses) == part.steps >= 20


@pytest.mark.parametrize("stop_at", [7, 35, 55])
def test_a_stopped_training_is_given_again_by_its_plan(stop_at) -> None:
    """Also in its cool-down, and before its first measurement."""
    with pytest.raises(Stopped) as stopped:
        watch_training(DATA, SMALL, VALID, Training(steps=60, batch=4), progress=Reports(stop_at))
    found = stopped.value.partial
    assert found.steps == stop_at and found.trainings[0].plan.last == stop_at
    if stop_at > 20:  # before, nothing was measured
        assert_equal(again(found), found.potential)


def test_stopped_before_the_plan_of_a_budget() -> None:
    with pytest.raises(Stopped) as stopped:
        watch_training(DATA, SMALL, VALID, Training(budget=60.0, batch=4), progress=Reports(5))
    found = stopped.value.partial
    assert found.steps == found.planned == 5 and found.rates.tolist() == pytest.approx(
        [1.5e-4 * k for k in range(1, 6)]
    )


def test_a_cooled_training_is_given_again_by_its_plan() -> None:
    asked = iter([False] * 33 + [True] * 1000)
    training = Training(steps=400, batch=4)
    found = watch_training(DATA, SMALL, VALID, training, cool_down=lambda: next(asked))
    assert found.steps < 200 and found.rates[-1] < 0.1 * found.rates.max()
    assert_equal(again(found), found.potential)


def test_a_budget_is_given_again_by_its_plan() -> None:
    found = watch_training(DATA, SMALL, VALID, Training(budget=4.0, batch=4))
    assert found.steps == found.planned == found.trainings[0].plan.steps
    assert_equal(again(found), found.potential)


def test_continued_after_stop_it_is_the_whole(tmp_path) -> None:
    training, file = Training(steps=60, batch=4), tmp_path / "training.safetensors"
    with pytest.raises(Stopped) as stopped:
        watch_training(DATA, SMALL, VALID, training, checkpoint=file, progress=Reports(33))
    part = stopped.value.partial
    assert part.resumes(training) and not part.resumes(Training(steps=60, batch=4, rate=0.01))
    found = watch_training(DATA, SMALL, VALID, training, checkpoint=file, after=part)
    whole = watch_training(DATA, SMALL, VALID, training)
    assert_equal(found.potential, whole.potential)
    assert found.losses == whole.losses and len(found.trainings) == 1


def test_trained_on_with_other_settings() -> None:
    first = watch_training(DATA, SMALL, VALID, Training(steps=30, batch=4))
    found = watch_training(DATA, SMALL, VALID, Training(steps=20, batch=4, rate=0.001), after=first)
    assert found.steps == 50 and len(found.trainings) == 2 and found.losses[:30] == first.losses
    assert found.rates[:30].tolist() == first.rates.tolist() and found.rates[30:].max() <= 0.001
    assert [row["step"] for row in found.history] == sorted({row["step"] for row in found.history})
    assert_equal(again(found), found.potential)


def test_a_loss_that_is_not_finite_leaves_its_curve() -> None:
    reports = Reports()
    huge = Weights(energy=1e44)  # beyond single precision
    with pytest.raises(LabkitError, match="not finite at step 0"):
        watch_training(FRAMES[:8], SMALL, None, Training(steps=30, weights=huge), progress=reports)
    assert len(reports.found[-1].losses) == 1 and not np.isfinite(reports.found[-1].losses[0])


def test_of_many_frames_some_are_predicted(monkeypatch) -> None:
    monkeypatch.setattr("labkit.neural.training.history.SHOWN", 6)
    monkeypatch.setattr("labkit.neural.training.watch.MOST", 6)
    reports = Reports()
    found = watch_training(DATA, SMALL, None, Training(steps=30, batch=4), progress=reports)
    assert np.isfinite(found.predictions["train"]["energy"]).sum() == 6  # 16 frames, every third
    assert found.errors.loc[("train", "energy"), "count"] == 6
    assert (
        found.errors.loc[("train", "forces"), "rmse"] == errors(found.potential, DATA[::3])["rmse"]["frames", "forces"]
    )
    part = next(one for one in reports.found if one.history)
    known = np.isfinite(part.predictions["train"]["energy"])
    assert known.sum() == 6
    state = DATA.state(np.flatnonzero(known))
    expected = part.potential.evaluate(state).energy.numpy()
    np.testing.assert_allclose(part.predictions["train"]["energy"][known], expected, atol=1e-4)
    np.testing.assert_array_equal(part.predictions["train"]["energy_true"][known], DATA.energy[known])


def test_measurements_after_a_cool_down_are_those_before_it_and_new_ones() -> None:
    plan = Plan.of(1000)
    soon = plan.cooled_from(310)
    assert [s for s in soon.looks() if s <= 310] == [s for s in plan.looks() if s <= 310]
    assert soon.looks()[-1] == soon.steps and soon.end == soon.steps and Plan(100, 60, last=30).end == 30
