"""Clusters of constraints that are not cut by the faces of a periodic cell."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.base import State
from labkit.base.nearest_image import nearest_images
from labkit.engine.constraints import Constraints


def whole(state: State, constraints: Constraints) -> State:
    """The state with atoms moved by lattice vectors, so that constrained pairs are at their nearest image.

    Of each cluster one atom stays, a held one if there is one: constraints know no images, and would pull the halves of
    a molecule together across the cell.
    """
    system, device = state.system, state.positions.device
    if not len(constraints) or not bool(system.pbc.any()):
        return state
    atoms = constraints.atoms.to(device)
    apart = state.positions[atoms[:, 1]] - state.positions[atoms[:, 0]]
    if not bool(_images(state, apart, atoms[:, 0]).any()):
        return state
    cell, positions = state.cell.detach()[system.index], state.positions
    moves, settled = torch.zeros_like(positions), _anchors(state, constraints)
    while True:
        ready = settled[atoms[:, 0]] != settled[atoms[:, 1]]
        rows = torch.where(settled[atoms[:, :1]], atoms, atoms.flip(1))[ready]
        if not len(rows):
            break
        near, far = rows.unbind(1)
        images = _images(state, positions[far] - positions[near] - moves[near], far)
        moves[far] = torch.where(system.held[far, None], 0.0, (images[:, None] @ cell[far]).squeeze(1))
        settled[far] = True
    return state.replace(positions=positions + moves)


def _images(state: State, vectors: Tensor, atoms: Tensor) -> Tensor:
    return nearest_images(vectors, state.cell, state.system.pbc, state.system.index[atoms])


def _anchors(state: State, constraints: Constraints) -> Tensor:
    """Which atoms stay (n,): one of each cluster."""
    group, n = constraints.groups(state.system), state.system.n_atoms
    place = torch.arange(n, device=group.device)
    order = torch.where(state.system.held, place, place + n)  # held atoms come first
    first = torch.full((int(group.max()) + 1,), 2 * n, device=group.device).scatter_reduce(0, group, order, "amin")
    return first[group] == order
