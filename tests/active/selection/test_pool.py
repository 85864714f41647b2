"""Pools from a Dataset with every kind of potential, and what is refused."""

from collections.abc import Callable
from dataclasses import replace

import ase
import numpy as np
import pytest
import torch
from active.cases import Pair, gap, pairs
from ase.build import molecule

from labkit.active import CommitteeSpread, GpVariance
from labkit.active.selection import SELECTIONS, Choice, GreedyDeterminant, MaximumVariance, Pool
from labkit.active.selection.frame_vectors import VECTORS, atom_vectors
from labkit.active.selection.scoring import as_dataset
from labkit.base import Committee, Potential, State
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap import Design, Distance2b, GapConfig
from labkit.neural import NeuralConfig, NeuralPotential, WithPrior, Zbl


def network(**settings: object) -> NeuralPotential:
    return NeuralPotential(NeuralConfig(channels=8, **settings), ["H", "O"], {"H": -13.6, "O": -432.0}, scale=0.5)


def committee(design: Design) -> Committee:
    return Committee([design.solve(sigma_force=sigma) for sigma in (0.02, 0.05, 0.2)])


KINDS: dict[str, Callable[[Design], Potential]] = {
    "GAP": gap,
    "committee of GAPs": committee,
    "GAP in a sum": lambda design: Pair() + gap(design),
    "network": lambda design: network(),
    "shallow ensemble": lambda design: network(outputs=4),
    "committee of networks": lambda design: Committee([network(seed=k) for k in range(3)]),
    "network with a prior": lambda design: WithPrior(Zbl(["H", "O"]), network(outputs=3)),
}


@pytest.fixture(scope="module")
def frames(valid: Dataset) -> Dataset:
    """Cells of ice and molecules of water, in turn."""
    waters = [molecule("H2O") for _ in range(3)]
    for k, water in enumerate(waters):
        water.rattle(0.05 * (k + 1), seed=k)
    mixed = [frame for pair in zip(valid.atoms, waters) for frame in pair]
    return replace(as_dataset(mixed), name="waters")


@pytest.fixture(scope="module", params=KINDS)
def potential(request: pytest.FixtureRequest, design: Design) -> Potential:
    return KINDS[request.param](design)


def test_vectors_are_those_of_each_frame_alone(potential: Potential, frames: Dataset, train: Dataset) -> None:
    pool = Pool.of(frames, potential, known=train[:2], n_features=10**6)
    assert len(pool) == len(frames) and pool.n_atoms.tolist() == frames.counts.tolist()
    assert pool.features.dtype == np.float64 and pool.names[1] == "waters frame 1"
    for k in range(len(frames)):
        state = frames.state([k])
        alone = atom_vectors(potential, state).numpy()
        np.testing.assert_allclose(pool.atom_features[k], alone, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(pool.features[k], alone.mean(axis=0), rtol=1e-4, atol=1e-5)
        assert pool.species[k].tolist() == state.system.numbers.tolist()
    np.testing.assert_allclose(pool.known[1], atom_vectors(potential, train.state([1])).mean(0), rtol=1e-4, atol=1e-5)
    assert pool.known_atoms.shape == (24, pool.features.shape[1]) and sorted(set(pool.known_species)) == [1, 8]


def test_few_features_are_columns_of_all(potential: Potential, frames: Dataset, train: Dataset) -> None:
    every, few = (Pool.of(frames, potential, known=train[:2], n_features=n) for n in (10**6, 3))
    assert few.features.shape[1] == few.known.shape[1] == few.atom_features[0].shape[1] == 3
    gaps = np.abs(every.features[:, :, None] - few.features[:, None]).max(axis=0)
    columns = gaps.argmin(axis=0)
    assert len(set(columns.tolist())) == 3 and gaps.min(axis=0).max() < 1e-5
    np.testing.assert_allclose(every.known[:, columns], few.known, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["committee of GAPs", "committee of networks"])
def test_members_of_a_committee(kind: str, design: Design, frames: Dataset) -> None:
    potential = KINDS[kind](design)
    pool = Pool.of(frames, potential, CommitteeSpread(potential))
    state = frames.state()
    expected = [p.evaluate(state) for p in potential.potentials]
    energies = torch.stack([e.energy for e in expected]).numpy() / frames.counts
    forces = torch.stack([e.forces for e in expected]).numpy()
    np.testing.assert_allclose(pool.members, energies, rtol=1e-7)
    np.testing.assert_allclose(np.concatenate(pool.member_forces, axis=1), forces, rtol=1e-4, atol=1e-5)
    of_atoms = np.linalg.norm(forces.std(axis=0, ddof=1), axis=1)
    largest = [x.max() for x in np.split(of_atoms, frames.offsets[1:-1])]
    np.testing.assert_allclose(pool.spread, largest, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(np.concatenate(pool.spread_per_atom), of_atoms, rtol=1e-3, atol=1e-5)
    assert pool.unit == "eV/Å"
    of_systems = Pool.of(frames, potential, CommitteeSpread(potential), worst_atom=False)
    np.testing.assert_allclose(of_systems.spread, energies.std(axis=0, ddof=1) * frames.counts, rtol=1e-4, atol=1e-6)
    assert of_systems.unit == "eV"


@pytest.mark.parametrize("kind", ["shallow ensemble", "network with a prior"])
def test_members_of_a_network_with_several_outputs(kind: str, design: Design, frames: Dataset) -> None:
    potential = KINDS[kind](design)
    pool = Pool.of(frames, potential)
    learned = potential.learned if kind == "network with a prior" else potential
    assert pool.members.shape == (learned.network.last.out_features, len(frames)) and pool.spread is None
    mean = learned.evaluate(frames.state())
    np.testing.assert_allclose(pool.members.mean(axis=0) * frames.counts, mean.energy.numpy(), rtol=1e-7)
    forces = np.concatenate(pool.member_forces, axis=1).mean(axis=0)
    np.testing.assert_allclose(forces, mean.forces.detach().numpy(), rtol=1e-3, atol=1e-4)


def test_variance_of_a_gap(design: Design, frames: Dataset) -> None:
    potential = gap(design)
    pool = Pool.of(frames, potential, GpVariance(potential))
    spread = GpVariance(potential)(frames.state())
    np.testing.assert_allclose(pool.spread, spread.per_system.numpy(), rtol=1e-6)
    np.testing.assert_allclose(np.concatenate(pool.spread_per_atom), spread.per_atom.numpy(), rtol=1e-6)
    assert pool.unit == "eV" and pool.members is None


def test_every_rule_chooses_from_a_committee(design: Design, frames: Dataset, train: Dataset) -> None:
    """Each with the fields that it needs, no others."""
    potential = committee(design)
    for kind in SELECTIONS.values():
        rule = kind()
        pool = Pool.of(frames, potential, CommitteeSpread(potential), train[:3], needs=rule.needs)
        assert len(rule.choose(pool, 3)) == 3
        others = {"spread", "members", "features", "atom_features", "member_forces"} - rule.needs
        if not rule.needs & {"members", "member_forces"}:
            assert pool.members is None and pool.member_forces is None
        assert not any(pool.has(field) for field in others if not rule.needs)


def test_a_stretched_frame_is_chosen_by_gap_and_by_descriptor(design: Design, train: Dataset, valid: Dataset) -> None:
    """One frame of ice with a broken bond among those like the training frames."""
    atoms = [frame.copy() for frame in valid.atoms]
    atoms[2].positions[atoms[2].numbers == 1] += [0.25, -0.2, 0.1]
    potential, frames = gap(design), atoms
    pool = Pool.of(frames, potential, GpVariance(potential), train)
    for rule in (
        MaximumVariance(),
        GreedyDeterminant(1e-4),
        SELECTIONS["farthest point"](),
        SELECTIONS["new environments"](),
    ):
        assert rule.choose(pool, 1).indices.tolist() == [2], rule


def test_kinds_without_vectors(train: Dataset, frames: Dataset) -> None:
    only_pairs = Design.build(train[:4], GapConfig(Distance2b(cutoff=4.0, n_sparse=10))).solve()
    for potential in (pairs(), only_pairs):
        pool = Pool.of(frames, potential, None if potential is only_pairs else CommitteeSpread(potential))
        assert pool.features is None
        with pytest.raises(
            LabkitError, match="needs features, which this pool does not have; give Pool.of a potential with"
        ):
            GreedyDeterminant().choose(pool, 1)
        with pytest.raises(LabkitError, match=f"{type(potential).__name__} has no vectors of atoms"):
            atom_vectors(potential, frames.state([0]))
    assert set(VECTORS) == {type(gap_like) for gap_like in (only_pairs, network())}


def test_an_unknown_element_is_named(design: Design) -> None:
    frames = [ase.Atoms("OH2", np.eye(3)), ase.Atoms("CO", [[0, 0, 0], [0, 0, 1.1]])]
    with pytest.raises(LabkitError, match="C"):
        Pool.of(frames, gap(design))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (dict(spread=[0.1]), "spread is of 1 frames, expected the 2"),
        (dict(members=np.zeros((2, 3))), "members is of 3 frames, expected the 2"),
        (dict(species=[[1, 8], [1]]), "species of frame 1 is of 1 atoms, not of 2"),
        (
            dict(member_forces=[np.zeros((4, 2, 3)), np.zeros((4, 3, 3))], names="ab"),
            "member_forces of b is of 3 atoms",
        ),
        (
            dict(features=np.zeros((2, 3)), known=np.zeros((4, 2))),
            r"known has the shape \(4, 2\), expected \(frames, 3\)",
        ),
        (dict(features=np.zeros((2, 2)), known=[[0, 1], [0, np.nan]]), "row 1 of known is not finite"),
        (dict(atom_features=[np.zeros((2, 2))] * 2, known_atoms=np.zeros((2, 3))), "known_atoms has the shape"),
    ],
)
def test_shapes_that_do_not_fit(fields: dict[str, object], words: str) -> None:
    with pytest.raises(LabkitError, match=words):
        Pool(n_atoms=[2, 2], **fields)


def test_taken_frames_become_known(design: Design, frames: Dataset) -> None:
    pool = Pool.of(frames, gap(design))
    more = pool.with_known(np.array([1, 3]))
    np.testing.assert_array_equal(more.known, pool.features[[1, 3]])
    twice = more.with_known(np.array([0]))
    assert twice.known.shape == (3, pool.features.shape[1]) and len(twice.known_atoms) == len(twice.known_species) == 18
    part = pool.take(np.array([4, 0]))
    assert part.names == ["waters frame 4", "waters frame 0"] and part.n_atoms.tolist() == [12, 12]


def test_a_choice_is_consistent() -> None:
    with pytest.raises(LabkitError, match="a frame is chosen twice"):
        Choice(np.array([1, 1]), ("a", "b"))
    with pytest.raises(LabkitError, match="2 reasons, but frame 5 is chosen"):
        Choice(np.array([5]), ("a", "b"))


def test_vectors_need_no_gradient(frames: Dataset) -> None:
    state = frames.state([0])
    moving = state.replace(positions=state.positions.clone().requires_grad_())
    assert isinstance(state, State) and not atom_vectors(network(), moving).requires_grad


def test_an_unknown_field_is_refused(train: Dataset) -> None:
    with pytest.raises(
        LabkitError, match="needs: a pool has no 'feature', expected some of .*; did you mean 'features'"
    ):
        Pool.of(train[:2], Committee([Pair(1.0), Pair(1.2)]), needs={"feature"})
