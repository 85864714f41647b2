"""Heads: what they are fitted to, spreads against independent evaluations, results as functions of the seed."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import molecule

from labkit.base import State
from labkit.datasets import Dataset, ice
from labkit.errors import LabkitError
from labkit.neural import (
    NeuralPotential,
    dropout_rows,
    evaluate_members,
    fewer_rows,
    predicted_variances,
    train,
    untrained,
    with_head,
)
from labkit.neural.heads import HEADS
from labkit.neural.heads.evidential import Evidence
from labkit.neural.heads.likelihood import FLOOR, gaussian
from labkit.neural.networks.network import NETWORKS
from labkit.neural.training.frames import TrainingFrames
from labkit.neural.training.loss import Weights, predict, predict_members
from tests.neural.test_training import SMALL, assert_equal, dimers, weights

FRAMES = ice("train", n=50)
WIDER = SMALL | {"channels": 24}
KINDS = {
    "plain": {},
    "ensemble": {"outputs": 4},
    "mean-variance": {"head": "mean-variance"},
    "evidential": {"head": "evidential"},
    "dropout": {"head": "dropout", "dropout": 0.2},
}


def only_output(potential, k: int):
    """The same network with output k alone."""
    e0 = dict(zip(potential.vocabulary, potential.e0.tolist(), strict=True))
    config = potential.config.replace(head="plain", outputs=1)
    found = NeuralPotential(config, tuple(potential.vocabulary), e0, float(potential.scale)).to(potential.dtype)
    own = dict(potential.state_dict())
    own["network.last.weight"] = own["network.last.weight"][k : k + 1]
    found.load_state_dict(own)
    return found


def test_every_head_is_tried_here() -> None:
    assert {settings.get("head", "plain") for settings in KINDS.values()} == set(HEADS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_head_learns(kind) -> None:
    frames = dimers()
    found = train(untrained(frames, **WIDER, **KINDS[kind]), frames, steps=300, batch=8).history[-1]["train forces"]
    assert found < (0.1 if kind == "dropout" else 0.04) * np.sqrt((frames.forces**2).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_the_potential_is_the_mean(kind) -> None:
    potential = untrained(FRAMES, **SMALL, **KINDS[kind]).double()
    frames, state = TrainingFrames(FRAMES[:5], potential), FRAMES.state(slice(5))
    expected = potential.evaluate(state, stress=True)
    found = predict(potential.network, frames.batch(np.arange(5)))
    torch.testing.assert_close(found.forces * potential.scale, expected.forces)
    alone = only_output(potential, 0)
    if kind != "ensemble":
        torch.testing.assert_close(alone.evaluate(state, stress=True).stress, expected.stress)
        return
    members = evaluate_members(potential, state, stress=True)
    for name in ("energy", "forces", "stress"):
        torch.testing.assert_close(getattr(members, name), getattr(expected, name))
        of_one = getattr(alone.evaluate(state, stress=True), name)
        torch.testing.assert_close(getattr(members.members, name)[0], of_one)
    torch.testing.assert_close(members.members.per_atom[0], alone.evaluate(state, per_atom=True).per_atom)


def test_members_of_a_batch_are_those_of_a_state() -> None:
    potential = untrained(FRAMES, **SMALL, outputs=3).double()
    found = predict_members(potential.network, TrainingFrames(FRAMES[:4], potential).batch(np.arange(4)))
    expected = evaluate_members(potential, FRAMES.state(slice(4)), stress=True).members
    torch.testing.assert_close(found.forces * potential.scale, expected.forces)
    volumes = FRAMES.state(slice(4)).volume()[:, None, None]
    torch.testing.assert_close(found.virial * potential.scale, expected.stress * volumes)


def test_without_forces_only_energies_are_computed() -> None:
    potential = untrained(FRAMES, **SMALL, outputs=3)
    found = evaluate_members(potential, FRAMES.state([0]), forces=False)
    assert found.forces is None and found.members.forces is None and not found.members.energy.requires_grad
    assert float(found.members.energy.std(0)) > 0
    lone = evaluate_members(potential, State.from_atoms(molecule("O")))
    assert float(lone.members.energy.std(0)) == 0 and float(lone.members.forces.abs().max()) == 0


def test_the_ensemble_loss_is_the_likelihood_written_out() -> None:
    potential = untrained(FRAMES, **SMALL, outputs=3).double()
    batch = TrainingFrames(FRAMES[:4], potential).batch(np.arange(4))
    found = predict_members(potential.network, batch)
    total = 0.0
    for mine, label, weight in (
        (found.energy / batch.counts, batch.energy / batch.counts, 2.0),
        (found.forces, batch.forces, 3.0),
    ):
        spread = (mine.var(0) + FLOOR).sqrt()
        normal = torch.distributions.Normal(mine.mean(0), spread)
        total = total + weight * (spread * (-normal.log_prob(label) - 0.5 * math.log(2 * math.pi))).mean()
    loss = potential.network.head.loss(Weights(2.0, 3.0, 0.0), potential.network, batch, (0, 0))
    torch.testing.assert_close(loss, total)


def test_evidence_is_student_s_t() -> None:
    nu, alpha, beta = (torch.tensor(x, dtype=torch.float64) for x in (0.7, 2.5, 0.3))
    errors = torch.linspace(-2, 2, 9, dtype=torch.float64)
    scale = (beta * (1 + nu) / (nu * alpha)).sqrt()
    expected = -torch.distributions.StudentT(2 * alpha, 0.0, scale).log_prob(errors).mean()
    torch.testing.assert_close(Evidence(nu, alpha, beta).loss(errors, 0.0), expected)
    more = Evidence(nu, alpha, beta).loss(errors, 0.1) - expected
    torch.testing.assert_close(more, 0.1 * (errors.abs() * (2 * nu + alpha)).mean())


def test_what_has_no_label_does_not_count() -> None:
    errors = torch.tensor([1.0, float("nan"), -2.0])
    assert float(gaussian(errors, torch.ones(3))) == pytest.approx(0.5 * 2.5, rel=1e-6)
    assert float(gaussian(errors[1:2], torch.ones(1))) == 0


def noisy(seed: int) -> Dataset:
    """Dimers whose forces have an error of 0.3 eV/Å where they are short, and of 2 eV/Å where they are long."""
    random, frames = np.random.default_rng(seed), dimers()
    many = frames[list(range(24)) * 16]
    r = np.array([a.get_distance(0, 1) for a in many.atoms])
    size = np.where(r < 1.3, 0.3, 2.0)[:, None, None]
    forces = many.forces.reshape(-1, 2, 3) + size * random.normal(size=(len(many), 2, 3))
    return replace(many, forces=forces.reshape(-1, 3), energy=many.energy * np.nan, stress=many.stress * np.nan)


@pytest.mark.parametrize("kind", ["mean-variance", "evidential"])
def test_predicted_variances_are_those_of_the_noise(kind) -> None:
    potential = untrained(noisy(0), **WIDER, **KINDS[kind])
    train(potential, noisy(0), steps=600, batch=16)
    state = dimers().state([4, 20])  # 1.10 and 1.52 Å
    found = predicted_variances(potential, state).forces.sqrt().reshape(2, 2).mean(1)
    assert 0.2 < found[0] < 0.55 and 1.5 < found[1] < 3.4 and found[1] > 4 * found[0]  # noise of 0.3 and 2 eV/Å


def test_variances_of_systems_grow_with_their_size() -> None:
    """Twice the cell has twice the variance of independent atoms."""
    potential = untrained(FRAMES, **SMALL, head="mean-variance").double()
    atoms = FRAMES.atoms[0]
    one, two = (predicted_variances(potential, State.from_atoms(a)) for a in (atoms, atoms * (2, 1, 1)))
    torch.testing.assert_close(two.energy, 2 * one.energy)
    torch.testing.assert_close(two.forces.sum(), 2 * one.forces.sum())


def test_evidence_tells_the_model_s_part_from_the_data_s() -> None:
    potential = untrained(FRAMES, **SMALL, head="evidential")
    found = predicted_variances(potential, FRAMES.state([0, 1]))
    assert bool((found.energy_of_model > 0).all()) and bool((found.energy_of_model < found.energy).all())
    assert bool((found.forces_of_model < found.forces).all()) and found.forces.shape == (24,)


def test_dropout_is_a_function_of_its_seed() -> None:
    potential = untrained(FRAMES, **SMALL, **KINDS["dropout"])
    three, five, other = (dropout_rows(potential, n, seed) for n, seed in ((3, 7), (5, 7), (3, 8)))
    assert torch.equal(three, five[:3]) and not torch.equal(three, other)
    state = FRAMES.state([0, 1])
    found = [evaluate_members(potential, state, rows).members for rows in (three, three, other)]
    assert torch.equal(found[0].forces, found[1].forces) and not torch.equal(found[0].energy, found[2].energy)
    assert float(potential.evaluate(state).energy[0]) == float(potential.evaluate(state).energy[0])
    # a system is the same whatever its companions
    alone = evaluate_members(potential, FRAMES.state([1]), three).members
    torch.testing.assert_close(alone.energy[:, 0], found[0].energy[:, 1], rtol=0, atol=1e-4)


def test_fewer_rows_have_the_same_mean_and_spread() -> None:
    """The mean exactly, the spread of forces on average over seeds; all rows give all of it."""
    potential, state = untrained(FRAMES, **SMALL, outputs=6).double(), FRAMES.state([0])
    rows = potential.network.last.weight.detach()
    full = evaluate_members(potential, state)
    same = evaluate_members(potential, state, fewer_rows(rows, 6))
    torch.testing.assert_close(same.members.forces.var(0), full.members.forces.var(0))
    few = [evaluate_members(potential, state, fewer_rows(rows, 3, seed)) for seed in range(60)]
    torch.testing.assert_close(few[7].forces, full.forces)
    ratio = torch.stack([x.members.forces.var(0).sum() for x in few]) / full.members.forces.var(0).sum()
    assert float(ratio.mean()) == pytest.approx(1, abs=4 * float(ratio.std()) / 60**0.5)
    with pytest.raises(LabkitError, match="1 of 6 rows"):
        fewer_rows(rows, 1)


def test_rows_of_dropout_are_the_last_layer_on_average() -> None:
    potential = untrained(FRAMES, channels=64, cutoff=3.0, n_radial=6, head="dropout", dropout=0.3)
    rows, last = dropout_rows(potential, 4000), potential.network.last.weight
    torch.testing.assert_close(rows.mean(0, keepdim=True), last, rtol=0.1, atol=0)
    assert float((rows == 0).float().mean()) == pytest.approx(0.3, abs=0.01)


def test_trainings_with_dropout_are_the_same_twice() -> None:
    found = []
    for _ in range(2):
        potential = untrained(FRAMES, **SMALL, **KINDS["dropout"])
        train(potential, FRAMES[:8], steps=6, batch=4)
        found.append(weights(potential))
    assert_equal(*found)
    plain = untrained(FRAMES, **SMALL)
    train(plain, FRAMES[:8], steps=6, batch=4)
    assert not torch.equal(weights(plain)["network.last.weight"], found[0]["network.last.weight"])


@pytest.mark.parametrize("network", NETWORKS)
def test_features_of_all_networks_are_summed_and_linear(network) -> None:
    p, state = untrained(FRAMES, network=network, **SMALL, outputs=2).double(), FRAMES.state([0, 3])
    of_atoms, of_systems = p.features(state)
    torch.testing.assert_close(state.system.sum_over_atoms(of_atoms), of_systems)
    found = evaluate_members(p, state, forces=False).members
    lone = state.system.sum_over_atoms(p.e0[p.species_of(state.system)])
    torch.testing.assert_close(lone + p.scale * (of_systems @ p.network.last.weight.T).T, found.energy)


@pytest.mark.parametrize("kind", KINDS)
def test_saved_with_its_head(kind, tmp_path) -> None:
    potential = untrained(FRAMES, **SMALL, **KINDS[kind])
    potential.save(tmp_path / "model.safetensors")
    again = type(potential).load(tmp_path / "model.safetensors")
    assert again.network.head.columns == potential.network.head.columns
    assert type(again.network.head) is type(potential.network.head)
    assert again.evaluate(FRAMES.state([0])).energy.equal(potential.evaluate(FRAMES.state([0])).energy)


@pytest.mark.parametrize("kind", [name for name in KINDS if name != "plain"])
def test_another_head_on_a_trained_potential(kind) -> None:
    """It has the same energies, and can be trained further."""
    plain = untrained(FRAMES, **SMALL)
    train(plain, FRAMES[:16], steps=10)
    settings = {name: value for name, value in KINDS[kind].items() if name != "dropout"}
    other, state = with_head(plain, **settings), FRAMES.state([0, 1])
    torch.testing.assert_close(other.evaluate(state).forces, plain.evaluate(state).forces, rtol=0, atol=1e-4)
    assert train(other, FRAMES[:16], steps=5).potential is other
    if kind in ("mean-variance", "evidential"):
        with pytest.raises(LabkitError, match="outputs already"):
            with_head(other, outputs=4)


def test_bad_input() -> None:
    with pytest.raises(LabkitError, match="head 'evidental' is unknown; did you mean 'evidential'"):
        untrained(FRAMES, head="evidental")
    with pytest.raises(LabkitError, match="outputs is 4, but the head is 'dropout'"):
        untrained(FRAMES, head="dropout", outputs=4)
    with pytest.raises(LabkitError, match="dropout is 1; expected a part of one"):
        untrained(FRAMES, head="dropout", dropout=1.0)
    plain = untrained(FRAMES, **SMALL)
    with pytest.raises(LabkitError, match="head is 'plain', which predicts none"):
        predicted_variances(plain, FRAMES.state([0]))
    with pytest.raises(LabkitError, match="train a potential with head='dropout'"):
        dropout_rows(plain)
    with pytest.raises(LabkitError, match=r"rows have the shape \(2, 3\); expected \(K, 4\)"):
        evaluate_members(plain, FRAMES.state([0]), torch.zeros(2, 3))
