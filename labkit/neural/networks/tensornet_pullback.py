"""TensorNet's features and their derivatives with respect to distances and directions, without an autograd graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from labkit.neural.networks.basis import edge_tensors, edge_tensors_back
from labkit.neural.networks.forms import PART, SQUARE_BACK, Edges
from labkit.neural.networks.pullbacks import layers, mixed, normalised, squashed

if TYPE_CHECKING:
    from labkit.neural.networks.tensornet import Layer, TensorNet


def tensornet_pullback(
    net: TensorNet, species: Tensor, edges: Edges, distances: Tensor, unit: Tensor
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor]]]:
    """The result of `net.describe`, and its pullback of K gradients (K, n, F) to distances (K, P) and
    unit vectors (K, E, 3).
    """
    part = PART.to(distances.device)
    basis, slope = net.basis.with_slope(distances)
    y = edge_tensors(unit)
    weights = net.of_pair.flatten(0, 1).index_select(0, edges.kinds(species, net.n_species))[:, None]
    radial, steep = (net.radial(z).view(-1, 3, net.channels) * weights for z in (basis, slope))
    own = net.of_atom.index_select(0, species)
    embedded = edges.embedding.value(2, radial, y) * own
    normed, norm_back = normalised(embedded.square().sum(0), net.norm)
    gates, gates_back = layers(normed, net.gate)
    gates = gates.view(-1, 3, net.channels).transpose(0, 1).index_select(0, part)
    mix, mix_back = mixed(embedded, net.mix.weight.index_select(0, part))
    x, backs = mix * gates, []
    for layer in net.layers:
        x, back = _layer(layer, x, edges, basis, slope, part)
        backs.append(back)
    squares = torch.stack([x[0].square(), x[1:4].square().sum(0), x[4:].square().sum(0)], 1)
    normed, out_back = normalised(squares.flatten(1), net.out_norm)
    found, hidden_back = layers(normed, net.hidden)
    twice, of_norms = 2 * x[:, None], 2 * embedded[:, None]

    def pulled(g: Tensor) -> tuple[Tensor, Tensor]:
        g = out_back(hidden_back(g)).unflatten(2, (3, -1)).permute(2, 0, 1, 3)  # (3, K, n, C)
        g = g.index_select(0, part).mul_(twice)
        of_distances = g.new_zeros(g.shape[1], len(distances))
        for back in reversed(backs):
            g, more = back(g)
            of_distances += more
        of_gates = g * mix[:, None]
        of_gates = torch.stack([of_gates[0], of_gates[1:4].sum(0), of_gates[4:].sum(0)])
        of_squares = norm_back(gates_back(of_gates.permute(1, 2, 0, 3).flatten(2)))
        g = mix_back(g.mul_(gates[:, None])).addcmul_(of_norms, of_squares).mul_(own)
        more, of_tensors = edges.embedding_back(radial, steep, y, g)
        return of_distances + more, edge_tensors_back(unit, of_tensors)

    return found, pulled


def _layer(
    layer: Layer, x: Tensor, edges: Edges, basis: Tensor, slope: Tensor, part: Tensor
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor]]]:
    product = layer.product
    small, small_back = squashed(x)
    y, first_back = mixed(small, layer.first.weight.index_select(0, part))
    radial, steep = (layer.radial(z).view(len(basis), 3, x.shape[2]) for z in (basis, slope))
    messages = edges.messages.value(2, radial, y)
    z, inner_back = squashed(product.value(2, y, messages))
    z, second_back = mixed(z, layer.second.weight.index_select(0, part))

    def pulled(g: Tensor) -> tuple[Tensor, Tensor]:
        g_z = g + SQUARE_BACK(z, g.flatten(1, 2)).view(g.shape)
        g_z = inner_back(second_back(g_z)).flatten(1, 2)
        g_messages = product.value(1, y, g_z).view(g.shape)
        of_distances, g_y = edges.messages_back(radial, steep, y, g_messages)
        g_y = product.value(0, messages, g_z).view(g.shape).add_(g_y)
        return small_back(first_back(g_y).add_(g)), of_distances

    return small + z + 0.5 * product.value(2, z, z), pulled
