"""Gradients of losses of forces equal those through second derivatives; and Muon's steps are orthogonal."""

import pytest
import torch

from labkit.datasets import ice
from labkit.neural import NeuralConfig, untrained
from labkit.neural.networks.edge_pairs import directions
from labkit.neural.training.frames import TrainingFrames
from labkit.neural.training.loss import predict, predict_members
from labkit.neural.training.muon import Muon, matrices_of, orthogonalised

BOUND = {torch.float32: 1e-3, torch.float64: 1e-6}


def made(dtype, **settings):
    frames = ice("train", n=50)
    settings = {"channels": 8, "n_radial": 6, "cutoff": 4.0} | settings
    potential = untrained(frames, NeuralConfig(**settings)).to(dtype)
    return potential.network, TrainingFrames(frames, potential).batch([0, 3, 5])


def some_loss(energy, forces, virial):
    return (
        energy.sin().sum() + (forces * forces.detach().roll(1)).sum() + forces.square().mean() + virial.square().mean()
    )


def twice_differentiated(network, batch, energies):
    """The same loss with the forces of autograd."""
    vectors = batch.vectors.detach().requires_grad_()
    outputs = network(batch.species, batch.edges, *directions(vectors, batch.edges, batch.sign))
    total = 0.0
    for of_atoms in energies(network.head.energies(outputs)).unbind(1):
        energy = of_atoms.new_zeros(len(batch.counts)).index_add(0, batch.index, of_atoms)
        (slope,) = torch.autograd.grad(of_atoms.sum(), vectors, create_graph=True)
        forces = slope.new_zeros(len(batch.index), 3).index_add(0, batch.i, slope).index_add(0, batch.j, -slope)
        of_pair = batch.index.index_select(0, batch.i)
        virial = slope.new_zeros(len(energy), 3, 3).index_add(0, of_pair, vectors.detach()[:, :, None] * slope[:, None])
        total = total + some_loss(energy, forces, virial)
    return total


def gradient(loss, network):
    found = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
    return torch.cat([g.flatten() for g in found if g is not None])


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("settings", [{}, {"mirror": False}, {"network": "schnet"}, {"network": "soap-linear"}])
def test_the_gradient_is_that_of_second_derivatives(settings, dtype) -> None:
    network, batch = made(dtype, **settings)
    found = predict(network, batch, graph=True)
    one = gradient(some_loss(found.energy, found.forces, found.virial), network)
    other = gradient(twice_differentiated(network, batch, lambda e: e.mean(1, keepdim=True)), network)
    assert float((one - other).norm()) < BOUND[dtype] * float(other.norm())


def test_each_member_has_its_gradient() -> None:
    network, batch = made(torch.float64, outputs=3)
    found = predict_members(network, batch)
    parts = zip(found.energy, found.forces, found.virial, strict=True)
    one = gradient(sum(some_loss(*part) for part in parts), network)
    other = gradient(twice_differentiated(network, batch, lambda e: e), network)
    assert float((one - other).norm()) < 1e-6 * float(other.norm())


def test_features_left_out() -> None:
    network, batch = made(torch.float64)
    kept = (torch.rand(len(batch.species), network.last.in_features, dtype=torch.float64) > 0.3).double()
    found = predict(network, batch, graph=True, kept=kept)
    one = gradient(some_loss(found.energy, found.forces, found.virial), network)
    describe = network.features
    network.features = lambda *surroundings: describe(*surroundings) * kept
    other = gradient(twice_differentiated(network, batch, lambda e: e.mean(1, keepdim=True)), network)
    assert float((one - other).norm()) < 1e-6 * float(other.norm())


def test_orthogonalised() -> None:
    for shape in ((3, 8, 20), (2, 20, 8), (1, 16, 16)):
        x = torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        values = torch.linalg.svdvals(orthogonalised(x))
        u, _, v = torch.linalg.svd(x, full_matrices=False)
        assert float(values.min()) > 0.5 and float(values.max()) < 1.3
        assert float(((u @ v) * orthogonalised(x)).sum() / (u @ v).square().sum()) > 0.7


def test_which_weights_are_matrices() -> None:
    network, _ = made(torch.float32, channels=16)
    names = {id(p): name for name, p in network.named_parameters()}
    found = {names[id(p)] for p in matrices_of(network)}
    assert {"mix.weight", "radial.weight", "layers.0.first.weight"} <= found
    assert not {"last.weight", "of_pair", "of_atom", "norm.weight"} & found


def test_a_stack_moves_as_its_matrices_do() -> None:
    random = torch.Generator().manual_seed(0)
    gradients = torch.randn(4, 3, 6, 5, generator=random)
    stack = torch.nn.Parameter(torch.zeros(3, 6, 5))
    single = [torch.nn.Parameter(torch.zeros(6, 5)) for _ in range(3)]
    one, other = Muon([stack], [stack], 0.01), Muon(single, single, 0.01)
    for g in gradients:
        stack.grad = g
        for p, part in zip(single, g, strict=True):
            p.grad = part
        one.step()
        other.step()
    torch.testing.assert_close(stack.detach(), torch.stack([p.detach() for p in single]))
