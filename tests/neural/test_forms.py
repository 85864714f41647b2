"""The compiled forms equal sums written out, and are closed under differentiation; the torch path equals them."""

import pytest
import torch

from labkit.neural.networks.forms import BASIS, PART, PRODUCTS, Edges

N, C = 5, 3


def matrices(x):
    return torch.einsum("kab,knc->ncab", BASIS, x)


def edges() -> Edges:
    i, j = torch.arange(N).repeat_interleave(N), torch.arange(N).repeat(N)
    kept = (i != j) & ((i + j) % 3 != 0)  # some atoms have fewer neighbours
    i, j = i[kept], j[kept]
    kinds, pair = torch.unique(torch.minimum(i, j) * N + torch.maximum(i, j), return_inverse=True)
    return Edges(i, j, pair, N, len(kinds))


def cases():
    random, e = torch.Generator().manual_seed(0), edges()

    def some(*shape):
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    def embedding(f, y, g):
        return (f[e.pair][:, PART] * y[:, :, None] * g[:, e.i].transpose(0, 1)).sum()

    def messages(f, x, g):
        return (f[e.pair][:, PART].transpose(0, 1) * x[:, e.j] * g[:, e.i]).sum()

    def product(left, right):
        return lambda y, m, g: (
            matrices(g) * (left * matrices(y) @ matrices(m) + right * matrices(m) @ matrices(y))
        ).sum()

    atoms = [some(9, N, C) for _ in range(3)]
    return {
        "embedding": (e.embedding, embedding, [some(e.n_pairs, 3, C), some(len(e.i), 9), atoms[0]]),
        "messages": (e.messages, messages, [some(e.n_pairs, 3, C), *atoms[:2]]),
        "product": (PRODUCTS[True], product(1, 1), atoms),
        "product without mirror": (PRODUCTS[False], product(2, 0), atoms),
    }


@pytest.mark.parametrize("name", cases())
@pytest.mark.parametrize("argument", range(3))
def test_partial_derivatives(name, argument) -> None:
    form, written_out, values = cases()[name]
    values = [v.requires_grad_() for v in values]
    (expected,) = torch.autograd.grad(written_out(*values), values[argument])
    others = [v for k, v in enumerate(values) if k != argument]
    torch.testing.assert_close(form.partial(argument, *others), expected)
    assert torch.autograd.gradcheck(lambda p, q: form.partial(argument, p, q), others)
    assert torch.autograd.gradgradcheck(lambda p, q: form.partial(argument, p, q), others)


def test_basis_is_orthonormal() -> None:
    torch.testing.assert_close(torch.einsum("kab,lab->kl", BASIS, BASIS), torch.eye(9, dtype=torch.float64))
