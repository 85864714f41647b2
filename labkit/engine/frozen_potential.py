"""A potential whose parameters do not change during a run."""

from __future__ import annotations

from typing import Any

import torch

from labkit.base import Compiled, Potential, State


class FrozenPotential:
    """A potential with constant parameters, compiled once for each system and cell.

    Otherwise it would be compiled before every block of steps, or before every step if an observer is called at each.
    """

    def __init__(self, potential: Potential) -> None:
        self._potential = potential
        self._kept: tuple[State, Compiled | None] | None = None

    def compiled(self, state: State) -> Compiled | None:
        kept = self._kept
        if kept is None or kept[0].system is not state.system or not torch.equal(kept[0].cell, state.cell):
            kept = self._kept = (state, self._potential.compiled(state))
        return kept[1]

    def reset(self) -> None:
        self._kept = None
        self._potential.reset()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._potential, name)
