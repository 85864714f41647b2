"""TensorNet's features and their derivatives with respect to distances and directions, without an autograd graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from labkit.neural.networks.basis import edge_tensors, edge_tensors_back
from labkit.neural.networks.forms import PART, Edges
from labkit.neural.networks.pullbacks import layers, mixed, normalised, squashed

if TYPE_CHECKING:
    from labkit.neural.networks.tensornet import Layer, TensorNet


def tensornet_pullback(
    net: TensorNet, species: Tensor, edges: Edges, distances: Tensor, unit: Tensor
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor]]]:
    """The result of `net.describe`, and its pullback to distances (P,) and unit vectors (E, 3)."""
    part = PART.to(distances.device)
    basis, slope = net.basis.with_slope(distances)
    y = edge_tensors(unit)
    weights = net.of_pair.flatten(0, 1).index_select(0, edges.kinds(species, net.n_species))[:, None]
    radial = net.radial(basis).view(-1, 3, net.channels) * weights
    own = net.of_atom.index_select(0, species)
    embedded = edges.embedding.value(2, radial, y) * own
    normed, norm_back = normalised(embedded.square().sum(0), net.norm)
    gates, gates_back = layers(normed, net.gate)
    gates = gates.view(-1, 3, net.channels).transpose(0, 1).index_select(0, part)
    mix, mix_back = mixed(embedded, net.mix.weight.index_select(0, part))
    x, backs = mix * gates, []
    for layer in net.layers:
        x, back = _layer(layer, x, edges, basis, part)
        backs.append(back)
    squares = torch.stack([x[0].square(), x[1:4].square().sum(0), x[4:].square().sum(0)], 1)
    normed, out_back = normalised(squares.flatten(1), net.out_norm)
    found, hidden_back = layers(normed, net.hidden)

    def pulled(g: Tensor) -> tuple[Tensor, Tensor]:
        g = out_back(hidden_back(g)).view(-1, 3, net.channels).transpose(0, 1).index_select(0, part) * x * 2
        of_basis = torch.zeros_like(basis)
        for back in reversed(backs):
            g, more = back(g)
            of_basis += more
        of_gates = torch.zeros_like(g[:3]).index_add(0, part, g * mix)
        of_squares = norm_back(gates_back(of_gates.transpose(0, 1).flatten(1)))
        g = torch.addcmul(mix_back(g * gates), embedded, of_squares, value=2) * own
        of_basis += (edges.embedding.value(0, y, g) * weights).flatten(1) @ net.radial.weight
        of_unit = edge_tensors_back(unit, edges.embedding.value(1, radial, g))
        return (of_basis * slope).sum(1), of_unit

    return found, pulled


def _layer(
    layer: Layer, x: Tensor, edges: Edges, basis: Tensor, part: Tensor
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor]]]:
    product = layer.product
    small, small_back = squashed(x)
    y, first_back = mixed(small, layer.first.weight.index_select(0, part))
    radial = layer.radial(basis).view(len(basis), 3, x.shape[2])
    messages = edges.messages.value(2, radial, y)
    z, inner_back = squashed(product.value(2, y, messages))
    z, second_back = mixed(z, layer.second.weight.index_select(0, part))

    def pulled(g: Tensor) -> tuple[Tensor, Tensor]:
        half = 0.5 * g
        g_z = g + product.value(0, z, half) + product.value(1, z, half)
        g_z = inner_back(second_back(g_z))
        g_messages = product.value(1, y, g_z)
        g_y = product.value(0, messages, g_z) + edges.messages.value(1, radial, g_messages)
        g_radial = edges.messages.value(0, y, g_messages)
        return small_back(g + first_back(g_y)), g_radial.flatten(1) @ layer.radial.weight

    return small + z + 0.5 * product.value(2, z, z), pulled
