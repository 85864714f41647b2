"""Spreads of networks: against committees, closed forms and independent codes; what lacks them is refused."""

import numpy as np
import pytest
import torch
from active.cases import Pair, gap, network
from ase.build import molecule
from scipy.spatial import cKDTree
from scipy.spatial.distance import mahalanobis

from labkit.active import (
    CommitteeSpread,
    DropoutSpread,
    EvidentialSpread,
    LastLayer,
    MahalanobisDistance,
    MeanVarianceSpread,
    NearestEnvironments,
    ShallowSpread,
    uncertainty_of,
)
from labkit.active.selection.scoring import as_dataset
from labkit.active.uncertainties.environments import environments
from labkit.base import Committee, State
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap import Design, GapConfig, Soap
from labkit.neural import NeuralPotential, dropout_rows, predicted_variances


def single(potential: NeuralPotential, row: torch.Tensor) -> NeuralPotential:
    """The same network with one output, the energy with these weights of the last layer."""
    return potential.with_weights({"network.last.weight": row[None]}, potential.config.replace(outputs=1, head="plain"))


@pytest.mark.parametrize("kind", ["ensemble", "dropout"])
def test_spreads_of_rows_are_those_of_a_committee_of_whole_networks(design, valid, kind) -> None:
    state = State.from_atoms(valid.atoms[:2])
    if kind == "ensemble":
        potential, make = network(design, outputs=3), ShallowSpread
        rows = potential.network.last.weight.detach()
    else:
        potential = network(design, head="dropout", dropout=0.3)
        make, rows = (lambda p, **o: DropoutSpread(p, count=5, seed=3, **o)), dropout_rows(potential, 5, 3)
    committee = Committee([single(potential, row) for row in rows])
    for per_atom in ("forces", "energies"):
        found = make(potential, per_atom=per_atom)(state)
        expected = CommitteeSpread(committee, per_atom=per_atom)(state)
        torch.testing.assert_close(found.per_system, expected.per_system)
        torch.testing.assert_close(found.per_atom, expected.per_atom)


def test_predicted_spreads_are_roots_of_the_variances(design, valid) -> None:
    state = State.from_atoms(valid.atoms[:2])
    for kind, head in ((MeanVarianceSpread, "mean-variance"), (EvidentialSpread, "evidential")):
        potential = network(design, head=head)
        found, variances = kind(potential)(state), predicted_variances(potential, state)
        torch.testing.assert_close(found.per_system.square(), variances.energy)
        torch.testing.assert_close(found.per_atom.square(), 3 * variances.forces)
    model = EvidentialSpread(potential, part="model")(state)
    torch.testing.assert_close(model.per_atom.square(), 3 * variances.forces_of_model)
    torch.testing.assert_close(model.per_system.square(), variances.energy_of_model)


def test_last_layer_of_energies_is_the_formula(design, train, valid) -> None:
    potential = network(design)
    found = LastLayer(potential, train, valid, floor=1e-3)
    f, counts = potential.features(train.state())[1].detach().numpy(), np.asarray(train.counts)[:, None]
    square = (f / counts).T @ (f / counts)
    inverse = np.linalg.inv(square + 1e-3 * np.trace(square) / len(square) * np.eye(len(square)))
    of_atoms, held = (x.detach().numpy() for x in potential.features(valid.state()))
    size = np.einsum("sf,fg,sg->s", held, inverse, held)
    errors = potential.evaluate(valid.state()).energy.numpy() - valid.energy
    alpha = np.mean(errors**2 / size)
    spread = found(valid.state())
    np.testing.assert_allclose(spread.per_system.square(), alpha * size, rtol=1e-6)
    assert spread.calibrated and np.mean(errors**2 / spread.per_system.numpy() ** 2) == pytest.approx(1.0)
    scores = LastLayer(potential, train, valid, floor=1e-3, per_atom="energies")(valid.state()).per_atom
    np.testing.assert_allclose(
        scores.square(), alpha * np.einsum("af,fg,ag->a", of_atoms, inverse, of_atoms), rtol=1e-6
    )


def test_last_layer_of_forces_is_the_derivative_of_energies(design, train, valid) -> None:
    """Exactly with all directions, on average over seeds with some."""
    potential, state = network(design), State.from_atoms(valid.atoms[0])
    uncertainty = LastLayer(potential, train, count=None)
    slopes = []
    for atom in range(2):
        for axis in range(3):
            step = torch.zeros_like(state.positions)
            step[atom, axis] = 1e-4
            ends = [potential.features(state.replace(positions=state.positions + s * step))[1][0] for s in (1, -1)]
            slopes.append(((ends[0] - ends[1]) / 2e-4).detach())
    expected = uncertainty.alpha * (torch.stack(slopes) @ uncertainty.root).view(2, 3, -1).norm(dim=(1, 2))
    exact = uncertainty(state).per_atom
    torch.testing.assert_close(exact[:2], expected, rtol=1e-5, atol=1e-9)
    some = [LastLayer(potential, train, count=2, seed=seed)(state).per_atom.square() for seed in range(150)]
    torch.testing.assert_close(torch.stack(some).mean(0), exact.square(), rtol=0.3, atol=0)


def test_last_layer_without_validation_has_the_residual_error_of_a_linear_fit(design, train) -> None:
    """With the last layer solved by least squares it is the standard error of linear regression."""
    potential = network(design, channels=8)  # four features, twelve frames
    f = potential.features(train.state())[1].detach().numpy() / np.asarray(train.counts)[:, None]
    lone = np.array([sum(potential.e0[potential.species_of(train.state([k]).system)]) for k in range(len(train))])
    y = (train.energy - lone) / train.counts
    w, residual, *_ = np.linalg.lstsq(f * float(potential.scale), y, rcond=None)
    fitted = potential.with_weights({"network.last.weight": torch.from_numpy(w)[None]})
    found = LastLayer(fitted, train, floor=1e-12)
    assert found.alpha**2 == pytest.approx(float(residual[0]) / (len(train) - f.shape[1]), rel=1e-4)


def test_nearest_environments_against_a_tree(design, train, valid) -> None:
    potential, state = network(design), State.from_atoms(valid.atoms[:2])
    found = NearestEnvironments(potential, train, k=4, most=10_000)(state)
    known, mine = (potential.features(x)[0].detach().numpy() for x in (train.state(), state))
    kinds = [x.system.numbers.numpy() for x in (train.state(), state)]
    for z in (1, 8):
        expected = cKDTree(known[kinds[0] == z]).query(mine[kinds[1] == z], 4)[0].mean(1)
        np.testing.assert_allclose(found.per_atom[torch.from_numpy(kinds[1] == z)], expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.per_system, found.per_atom.view(2, -1).amax(1))


def test_known_frames_are_at_no_distance(design, train) -> None:
    for potential in (network(design), gap(design)):
        assert float(NearestEnvironments(potential, train, k=1, most=10_000)(train.state()).per_atom.max()) < 1e-6
        fewer = NearestEnvironments(potential, train, k=1, most=30)
        spread = fewer(train.state()).per_atom
        assert float(spread.min()) < 1e-6 < float(spread.max())
        for points, _ in fewer.known[0].values():
            assert len(points) == 30


def test_mahalanobis_against_scipy(design, train, valid) -> None:
    potential, state = network(design, channels=8), State.from_atoms(valid.atoms[:2])
    found = MahalanobisDistance(potential, train, floor=1e-12)(state).per_atom
    known, mine = (potential.features(x)[0].detach().numpy() for x in (train.state(), state))
    kinds = [x.system.numbers.numpy() for x in (train.state(), state)]
    for z in (1, 8):
        cloud = known[kinds[0] == z]
        inverse, mean = np.linalg.inv(np.cov(cloud.T)), cloud.mean(0)
        expected = [mahalanobis(x, mean, inverse) for x in mine[kinds[1] == z]]
        np.testing.assert_allclose(found[torch.from_numpy(kinds[1] == z)], expected, rtol=1e-4)


def test_what_a_potential_brings_with_it(design, train) -> None:
    for settings, kind in (
        ({"outputs": 3}, ShallowSpread),
        ({"head": "dropout"}, DropoutSpread),
        ({"head": "evidential"}, EvidentialSpread),
        ({"head": "mean-variance"}, MeanVarianceSpread),
    ):
        assert type(uncertainty_of(network(design, **settings) + Pair())) is kind
    assert uncertainty_of(network(design)) is None
    assert type(uncertainty_of(network(design), train)) is LastLayer


def test_what_lacks_what_is_needed_is_refused(design, train) -> None:
    plain, model = network(design), gap(design)
    with pytest.raises(LabkitError, match="ShallowSpread: the network has one output of energies .* outputs=8"):
        ShallowSpread(plain)
    with pytest.raises(LabkitError, match="head is 'plain'; train a potential with head='dropout'"):
        DropoutSpread(plain)
    with pytest.raises(LabkitError, match="EvidentialSpread: the head is 'plain'.*head='evidential'"):
        EvidentialSpread(plain)
    with pytest.raises(LabkitError, match="MeanVarianceSpread: the head is 'evidential'.*head='mean-variance'"):
        MeanVarianceSpread(network(design, head="evidential"))
    for kind in (ShallowSpread, DropoutSpread, EvidentialSpread, MeanVarianceSpread):
        with pytest.raises(LabkitError, match="GapModel is not a neural potential; give a NeuralPotential"):
            kind(model)
    with pytest.raises(LabkitError, match="LastLayer: GapModel is not a neural potential"):
        LastLayer(model, train)
    with pytest.raises(LabkitError, match="LastLayer: the sum has 2 networks; give one"):
        LastLayer(plain + network(design, seed=1), train)
    with pytest.raises(LabkitError, match="1 frames have an energy; give the ones that the potential was trained on"):
        LastLayer(plain, train[:1])
    for kind in (NearestEnvironments, MahalanobisDistance):
        with pytest.raises(LabkitError, match="Pair has no features; give a NeuralPotential or a GapModel"):
            kind(Pair(), train)
        with pytest.raises(LabkitError, match="no known frames were given"):
            kind(plain, train[[]])
        hydrogen = molecule("H2")
        hydrogen.info["energy"] = -30.0
        alone = Dataset.from_atoms([hydrogen])
        with pytest.raises(LabkitError, match="atom 0 is of a species that no known frame has"):
            kind(plain, alone)(train.state([0]))
    for wrong in (
        lambda: DropoutSpread(network(design, head="dropout"), count=1),
        lambda: ShallowSpread(network(design, outputs=2), per_atom="force"),
        lambda: EvidentialSpread(network(design, head="evidential"), part="data"),
        lambda: NearestEnvironments(plain, train, k=0),
        lambda: MahalanobisDistance(plain, train, floor=0.0),
        lambda: LastLayer(plain, train, count=0),
    ):
        with pytest.raises(LabkitError, match="expected|at least 2"):
            wrong()


def test_all_soap_terms_of_a_gap_count(train) -> None:
    """A short and a long cutoff: what only the first term sees is new as well."""
    short, long = Soap(cutoff=2.5, n_max=3, l_max=2, n_sparse=10), Soap(cutoff=4.0, n_max=3, l_max=2, n_sparse=10)
    state = State.from_atoms(train.atoms[0])
    for terms in ((short, long), (long, short)):
        model = Design.build(train, GapConfig(terms, sigma_virial=None)).solve()
        near = model.neighbours(state)
        expected = torch.cat(
            [term.descriptor(state.system, state.positions, state.cell, near) for term in model.terms], 1
        )
        for rows, vectors in environments(model, state).values():
            torch.testing.assert_close(vectors, expected[rows])


def test_known_environments_that_are_equal_have_no_width(design) -> None:
    """One molecule in several turns: differences of rounding are no measure of distances."""
    turned = [molecule("H2O") for _ in range(6)]
    for k, atoms in enumerate(turned):
        atoms.rotate(37 * k + 1, (1, 2, 3))
    other = turned[0].copy()
    other.rattle(0.001)
    for potential in (network(design), network(design).float(), gap(design)):
        distance = MahalanobisDistance(potential, as_dataset(turned))
        assert float(distance(State.from_atoms(turned)).per_atom.max()) < 1e-4
        assert float(distance(State.from_atoms(other)).per_atom.max()) < 1


def test_known_frames_do_not_validate(design, train) -> None:
    with pytest.raises(LabkitError, match=r"2 of 4 frames \(the first is frame 0\) were among the known ones before"):
        LastLayer(network(design), train[:10], train[8:])
