"""The variance of a GAP's forces: against a dense Gaussian process, samples from it, and a pair kernel written out."""

import numpy as np
import pytest
import torch
from ase.build import molecule
from torch import Tensor

from labkit.active import GpVariance
from labkit.base import State, find_neighbours
from labkit.datasets import Dataset
from labkit.gap import Design, Distance2b, GapConfig, GapModel, Soap

CUTOFF, NOISE = 3.0, 0.01


class Dense:
    """The full Gaussian process of energies with a SOAP kernel, conditioned on energies of some frames."""

    def __init__(self, model: GapModel, frames: Dataset) -> None:
        self.term = model.terms[0]
        self.known = frames.state()
        self.of_known = self.spectra(self.known)
        noise = NOISE**2 * torch.diag(self.known.system.counts.to(torch.float64))
        self.inverse = torch.linalg.inv(self.covariance(self.known, self.of_known, self.known, self.of_known) + noise)

    def spectra(self, state: State) -> Tensor:
        near = find_neighbours(state.system, state.positions.detach(), state.cell, CUTOFF)
        return self.term.descriptor(state.system, state.positions, state.cell, near)

    def covariance(self, one: State, p: Tensor, other: State, q: Tensor) -> Tensor:
        same = one.system.numbers[:, None] == other.system.numbers
        local = self.term.soap.delta**2 * (p @ q.T) ** int(self.term.soap.zeta) * same
        return other.system.sum_over_atoms(one.system.sum_over_atoms(local).T).T

    def force_variance(self, state: State) -> Tensor:
        """d²/dr dr' of the posterior covariance at r = r', by differentiating twice."""
        a, b = (state.replace(positions=state.positions.clone().requires_grad_()) for _ in range(2))
        p, q = self.spectra(a), self.spectra(b)
        one, other = (self.covariance(x, s, self.known, self.of_known) for x, s in ((a, p), (b, q)))
        total = self.covariance(a, p, b, q) - one @ self.inverse @ other.T
        (slope,) = torch.autograd.grad(total.sum(), a.positions, create_graph=True)
        found = [
            torch.autograd.grad(slope.flatten()[k], b.positions, retain_graph=True)[0].flatten()[k]
            for k in range(slope.numel())
        ]
        return torch.stack(found).view(-1, 3)


@pytest.fixture(scope="module", params=[2, 3])
def pair(request, train: Dataset) -> tuple[GapModel, Dense]:
    """A sparse process whose points are all environments, which is the full one, and the full one."""
    soap = Soap(cutoff=CUTOFF, n_max=4, l_max=3, zeta=request.param, n_sparse=1000, delta=0.7)
    config = GapConfig(soap, sigma_energy=NOISE, sigma_force=None, sigma_virial=None, sparse_jitter=1e-11)
    model = Design.build(train[:4], config).solve()
    return model, Dense(model, train[:4])


def test_against_a_dense_gaussian_process(pair, valid: Dataset) -> None:
    model, dense = pair
    for atoms in (valid.atoms[0], valid.atoms[1], molecule("H2O")):
        state = State.from_atoms(atoms)
        expected = dense.force_variance(state)
        torch.testing.assert_close(model.force_variance(state), expected, rtol=1e-4, atol=1e-6)
        spread = GpVariance(model, per_atom="forces")(state)
        torch.testing.assert_close(spread.per_atom, expected.sum(1).sqrt(), rtol=1e-4, atol=1e-4)


def test_against_samples_from_the_posterior(pair, valid: Dataset) -> None:
    """Functions drawn at displaced structures, and their differences."""
    model, dense = pair
    atoms, step, components = valid.atoms[0], 0.02, [(0, 0), (0, 2), (5, 1)]
    frames = []
    for atom, axis in components:
        for sign in (1, -1):
            frames.append(atoms.copy())
            frames[-1].positions[atom, axis] += sign * step
    state = State.from_atoms(frames)
    p = dense.spectra(state)
    cross = dense.covariance(state, p, dense.known, dense.of_known)
    covariance = dense.covariance(state, p, state, p) - cross @ dense.inverse @ cross.T
    sizes, directions = np.linalg.eigh(covariance.numpy())
    drawn = np.random.default_rng(0).normal(size=(20_000, 6)) * np.sqrt(np.maximum(sizes, 0)) @ directions.T
    forces = -(drawn[:, ::2] - drawn[:, 1::2]) / (2 * step)
    found = [float(model.force_variance(State.from_atoms(atoms))[component]) for component in components]
    np.testing.assert_allclose(found, forces.var(0), rtol=0.06)


def test_against_a_pair_kernel_written_out() -> None:
    frames = [molecule("H2O") for _ in range(4)]
    for seed, frame in enumerate(frames):
        frame.rattle(0.05, seed=seed)
        frame.info["energy"] = -14.0 + 0.1 * seed
    delta, cutoff, theta = 0.5, 3.0, 0.6
    term = Distance2b(cutoff=cutoff, n_sparse=8, delta=delta, theta_uniform=theta)
    config = GapConfig(term, sigma_energy=1e-3, sigma_force=None, sigma_virial=None)
    model = Design.build(Dataset.from_atoms(frames), config).solve()
    state = State.from_atoms(frames[1])
    (term,) = model.terms
    near = find_neighbours(state.system, state.positions, state.cell, cutoff)
    found = term.force_prior_variance(state.system, state.positions, state.cell, near)

    def parts(x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Distances and cutoffs of the pairs O-H and H-H."""
        r = [torch.stack([(x[i] - x[j]).norm() for i, j in pairs]) for pairs in (((0, 1), (0, 2)), ((1, 2),))]
        return [(d, 0.5 * (1 + torch.cos(torch.pi * ((d - cutoff + 0.5) / 0.5).clamp(0, 1)))) for d in r]

    def covariance(x: Tensor, y: Tensor) -> Tensor:
        total = 0.0
        for (r, f), (s, g) in zip(parts(x), parts(y), strict=True):
            total = (
                total + ((2 * delta) ** 2 * f[:, None] * g * torch.exp(-((r[:, None] - s) ** 2) / theta**2 / 2)).sum()
            )
        return total

    x, y = (state.positions.clone().requires_grad_() for _ in range(2))
    (slope,) = torch.autograd.grad(covariance(x, y), x, create_graph=True)
    expected = [torch.autograd.grad(g, y, retain_graph=True)[0].flatten()[k] for k, g in enumerate(slope.flatten())]
    torch.testing.assert_close(found.flatten(), torch.stack(expected), rtol=1e-6, atol=1e-8)
    assert bool((model.force_variance(state) < found).all())  # the data have taught it something


def test_it_grows_as_a_bond_is_stretched(train: Dataset, valid: Dataset) -> None:
    """An O-H bond of ice, as long as in the data and longer: the largest of the atoms of each structure."""
    terms = Soap(cutoff=CUTOFF, n_max=4, l_max=3, zeta=2, n_sparse=200), Distance2b(cutoff=3.0, n_sparse=20)
    model = Design.build(train, GapConfig(terms, sigma_virial=None)).solve()
    atoms = valid.atoms[0]
    oxygen = int(np.flatnonzero(atoms.numbers == 8)[0])
    hydrogen = int(np.argsort(atoms.get_distances(oxygen, range(len(atoms)), mic=True))[1])
    frames = []
    for length in (1.0, 1.2, 1.4):
        frames.append(atoms.copy())
        frames[-1].set_distance(oxygen, hydrogen, length, fix=0, mic=True)
    state = State.from_atoms(frames)
    spread = GpVariance(model, per_atom="forces")(state)
    inside, out, far_out = spread.max_over_atoms(state.system)
    assert far_out > 1.3 * out > 2 * inside and spread.unit_per_atom == "eV/Å"


@pytest.mark.parametrize("zeta", [1.5, 2.5])
def test_exponents_that_are_no_integers(zeta: float, train: Dataset) -> None:
    """The prior variance against the kernel differentiated twice; the systems of the batch differ in size."""
    model = Design.build(train, GapConfig(Soap(cutoff=CUTOFF, n_max=3, l_max=2, zeta=zeta, n_sparse=20))).solve()
    state = State.from_atoms([molecule("H2O"), molecule("H2"), train.atoms[0]])
    term, near = model.terms[0], model.neighbours(state)
    found = term.force_prior_variance(state.system, state.positions, state.cell, near)
    a, b = (state.positions.clone().requires_grad_() for _ in range(2))
    p, q = (term.descriptor(state.system, x, state.cell, near) for x in (a, b))
    numbers, index = state.system.numbers, state.system.index
    same = (numbers[:, None] == numbers) & (index[:, None] == index)
    total = (term.soap.delta**2 * (p @ q.T).clamp(min=1e-300) ** zeta)[same].sum()
    (slope,) = torch.autograd.grad(total, a, create_graph=True)
    for k in range(5 * 3):
        (second,) = torch.autograd.grad(slope.flatten()[k], b, retain_graph=True)
        torch.testing.assert_close(found.flatten()[k], second.flatten()[k], rtol=1e-6, atol=1e-9)
    assert bool(torch.isfinite(found).all())
