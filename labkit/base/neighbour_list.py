"""Neighbour lists that are kept while no atom has moved by half a skin."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.base.neighbours import Neighbours
from labkit.base.search import find_neighbours, is_fixed, ordered
from labkit.base.state import State


class NeighbourList:
    """A neighbour list; the pairs of a system are searched again only when they may have changed.

    Built with cutoff + skin; the pairs of a system are used while none of its atoms has moved by more than skin/2 since
    (with the same cell), so that no pair within the cutoff can be missing. Small open systems have lists of all pairs,
    which never change.
    """

    def __init__(self, cutoff: float, skin: float = 0.5) -> None:
        self.cutoff, self.skin = float(cutoff), float(skin)
        self.builds = 0  # searches, of all systems or some
        self._kept: tuple[Neighbours, State, Tensor] | None = None

    def __call__(self, state: State) -> Neighbours:
        """Neighbours of a state, built or reused; several threads may ask."""
        kept = self._kept  # read once: another thread may replace it
        if kept is None or state.system is not kept[1].system:
            kept = self._found(state), _frozen(state), is_fixed(state.system)
        else:
            near, then, fixed = kept
            if bool(fixed.all()):
                return near
            outdated = self._outdated(state, then).cpu() & ~fixed
            if not bool(outdated.any()):
                return near
            every = bool((outdated | fixed).all())
            found = self._found(state) if every else self._updated(near, state, torch.nonzero(outdated).flatten())
            kept = found, State.where(outdated, _frozen(state), then), fixed
        self._kept = kept
        return kept[0]

    def reset(self) -> None:
        """Discard the list; the next call builds it (as a checkpoint does, so that a resumed run sees the same one)."""
        self._kept = None

    def _found(self, state: State) -> Neighbours:
        self.builds += 1
        return find_neighbours(state.system, state.positions, state.cell, self.cutoff + self.skin, fixed=True)

    def _updated(self, near: Neighbours, state: State, systems: Tensor) -> Neighbours:
        """The list with the pairs of some systems searched again."""
        device = near.i.device
        found, atoms = self._found(state[systems]), state.system.atoms_of(systems).to(device)
        systems = systems.to(device)
        stays = torch.ones(state.system.n_systems, dtype=torch.bool, device=device)
        stays[systems] = False
        kept = torch.nonzero(stays[near.index]).squeeze(1)
        new = (atoms[found.i], atoms[found.j], found.shift, systems[found.index])
        old = (part[kept] for part in (near.i, near.j, near.shift, near.index))
        both = Neighbours(*(torch.cat(pair) for pair in zip(old, new, strict=True)))
        return ordered(both, state.system.numbers)

    def _outdated(self, state: State, then: State) -> Tensor:
        """Which systems (S,) have moved too far, in one query of the device."""
        moved = (state.positions.detach() - then.positions).square().sum(1)
        furthest = moved.new_zeros(state.system.n_systems).scatter_reduce(0, state.system.index, moved, "amax")
        # as "not within", so that NaN counts as outdated and then raises an error
        return ~(furthest <= (0.5 * self.skin) ** 2) | (state.cell.detach() != then.cell).flatten(1).any(1)


def _frozen(state: State) -> State:
    """Positions and cells as they are now."""
    positions, cell = state.positions.detach().clone(), state.cell.detach().clone()
    return State(state.system, positions, cell, positions, step=state.step, seed=state.seed)
