"""Which weights are trained, averaged and kept: frozen parts, stochastic weight averaging, snapshots."""

import copy

import numpy as np
import pytest
import torch

from labkit.base import Committee
from labkit.datasets import ice
from labkit.errors import LabkitError, Stopped
from labkit.neural import Plan, Training, train, untrained
from labkit.neural.networks.network import NETWORKS
from labkit.neural.training.trained_weights import TrainedWeights, frozen_names
from tests.neural.test_training import SMALL, StopAfter, assert_equal, weights

FRAMES = ice("train", n=50)


def trained(**settings):
    potential = untrained(FRAMES, **SMALL)
    return train(potential, FRAMES[:16], **{"steps": 20, "batch": 4, **settings})


@pytest.mark.parametrize("network", NETWORKS)
def test_all_but_the_last_layer(network) -> None:
    potential = untrained(FRAMES, network=network, **SMALL)
    frozen = frozen_names(potential.network, ("all but the last layer",))
    if network == "soap-linear":
        assert not frozen  # there is nothing else
        return
    before = weights(potential)
    train(potential, FRAMES[:16], steps=5, freeze="all but the last layer")
    changed = {name for name, value in weights(potential).items() if not torch.equal(value, before[name])}
    assert changed == {"network.last.weight"} and "last.weight" not in frozen
    assert all(p.requires_grad for p in potential.parameters())


def test_parts_by_name() -> None:
    potential = untrained(FRAMES, **SMALL)
    before = weights(potential)
    train(potential, FRAMES[:16], steps=5, freeze=("radial", "layers.0.first", "norm.bias"))
    same = {name for name, value in weights(potential).items() if torch.equal(value, before[name])}
    assert same == {"e0", "scale"} | {
        f"network.{name}" for name in ("radial.weight", "layers.0.first.weight", "norm.bias")
    }
    with pytest.raises(LabkitError, match="'radiall' is no part of this network; did you mean 'radial'"):
        train(potential, FRAMES[:16], steps=5, freeze="radiall")
    with pytest.raises(LabkitError, match="all weights are frozen"):
        train(untrained(FRAMES, network="soap-linear", **SMALL), FRAMES[:8], steps=2, freeze="last")


def test_frozen_weights_stay_when_resumed(tmp_path) -> None:
    settings = {"steps": 20, "batch": 4, "freeze": "all but the last layer", "snapshots": 2}
    whole, part = untrained(FRAMES, **SMALL), untrained(FRAMES, **SMALL)
    first = train(whole, FRAMES[:16], **settings).snapshots
    with pytest.raises(Stopped):
        train(part, FRAMES[:16], progress=StopAfter(15), checkpoint=tmp_path / "c", **settings)
    again = train(part, FRAMES[:16], checkpoint=tmp_path / "c", **settings).snapshots
    assert_equal(weights(part), weights(whole))
    for one, other in zip(first, again, strict=True):
        assert_equal(weights(one), weights(other))


def test_the_mean_of_all_weights_of_the_last_part() -> None:
    """Against a sum written out."""
    plan = Plan.of(50, 0.4, falls=False)
    potential = untrained(FRAMES, **SMALL)
    kept = TrainedWeights(potential, Training(averaging="swa"))
    seen = []
    for step in range(plan.steps):
        with torch.no_grad():
            for p in kept.parameters:
                p += torch.randn(p.shape, generator=torch.Generator().manual_seed(step))
        kept.follow(step, plan)
        if step >= plan.cooling:
            seen.append([p.detach().double().clone() for p in kept.parameters])
    assert len(seen) == 20
    for k, mean in enumerate(kept.average):
        torch.testing.assert_close(mean.double(), torch.stack([x[k] for x in seen]).mean(0), rtol=0, atol=1e-5)


def test_the_rate_stays_where_weights_are_averaged() -> None:
    plan = Plan.of(1000, 0.4, falls=False)
    assert all(plan.rate(k) == 1 for k in range(100, 1000))
    assert plan.cooled_from(300).rate(310) == 1


def test_stochastic_averaging_learns() -> None:
    found = trained(steps=200, averaging="swa").history
    assert found[-1]["train forces"] < 0.7 * found[0]["train forces"]


def test_snapshots_are_of_the_part_at_full_rate() -> None:
    assert Plan.of(1000).snapshots(4) == [375, 450, 525, 600] and Plan.of(1000).snapshots(0) == []
    assert Plan.of(1000, falls=False).snapshots(4) == [700, 800, 900, 1000]
    found = trained(steps=60, snapshots=3)
    assert len(found.snapshots) == 3
    all_weights = [torch.cat([p.detach().flatten() for p in s.parameters()]) for s in found.snapshots]
    assert all(not torch.equal(a, b) for a, b in zip(all_weights, all_weights[1:], strict=False))
    spread = Committee(found.snapshots).evaluate(FRAMES.state([0])).members.forces.std(0)
    assert 0 < float(spread.mean()) < float(np.abs(FRAMES.forces).mean())


def test_a_snapshot_is_what_the_weights_were() -> None:
    """That of step 30 of 60 equals the weights of a training whose rate is the same up to there."""
    found = trained(steps=60, snapshots=2)  # at 27 and 36
    potential = untrained(FRAMES, **SMALL)
    asked = iter([False] * 27 + [True] * 100)
    kept = []

    def now() -> bool:
        kept.append(copy.deepcopy(weights(potential)))
        return next(asked)

    train(potential, FRAMES[:16], steps=60, batch=4, cool_down=now)
    assert_equal(weights(found.snapshots[0]), kept[27])


def test_when_asked_to_end_soon_there_are_fewer() -> None:
    asked = iter([False] * 30 + [True] * 1000)
    found = trained(steps=200, snapshots=5, cool_down=lambda: next(asked))
    assert len(found.snapshots) < 5 and found.plan.steps < 200


def test_bad_settings() -> None:
    with pytest.raises(LabkitError, match="averaging is 'mean'; expected 'ema' or 'swa'"):
        Training(averaging="mean")
    with pytest.raises(LabkitError, match="snapshots is -1"):
        Training(snapshots=-1)
    with pytest.raises(LabkitError, match="replay_share is 1"):
        Training(replay_share=1.0)
