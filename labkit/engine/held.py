"""Atoms that are held: of infinite mass, they never move, and have no degrees of freedom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from labkit.base import State, System
from labkit.errors import LabkitError


def hold(state: State, atoms: Tensor | np.ndarray | Sequence[int] | Sequence[bool]) -> State:
    """The state in which `atoms` have infinite mass and no velocity, so that 1/m = 0 keeps them where they are.

    Forces on them are still computed: in dynamics at temperature T their averages are the mean forces at these
    positions. A constraint to a held atom moves only the free one. The old masses are not kept: to release atoms,
    use the system of the original state.

    atoms  indices (k,) into the flat batch, or a mask (n,) of bool

    Raises LabkitError for an atom that the batch does not have, and for a mask of another length.

    >>> from ase.build import molecule
    >>> state = hold(State.from_atoms(molecule("CH4")), [0])
    >>> state.system.masses.tolist()
    [inf, 1.008, 1.008, 1.008, 1.008]
    >>> from labkit.engine import degrees_of_freedom
    >>> degrees_of_freedom(state.system).tolist()
    [12.0]
    """
    system = state.system
    held = _mask(atoms, system.n_atoms).to(system.masses.device)
    masses = torch.where(held, torch.inf, system.masses)
    velocities = torch.where(held[:, None], 0.0, state.velocities)
    return state.replace(system=replace(system, masses=masses), velocities=velocities)


def refuse_held(system: System, what: str, reason: str) -> None:
    """Raise LabkitError, naming the first system, if atoms are held, which `what` does not allow for this `reason`."""
    if system.any_held:
        s = int(torch.nonzero(system.held_counts)[0])
        count = int(system.held_counts[s])
        raise LabkitError(f"{what}: system {s} has {count} held atom{'s' * (count > 1)} (infinite mass); {reason}")


def _mask(atoms: Tensor | np.ndarray | Sequence[int] | Sequence[bool], n: int) -> Tensor:
    given = torch.as_tensor(atoms).detach().cpu()
    if given.dtype == torch.bool:
        if given.shape != (n,):
            raise LabkitError(f"hold: the mask has shape {tuple(given.shape)}; expected ({n},), one for each atom")
        return given
    found = torch.zeros(n, dtype=torch.bool)
    if not given.numel():
        return found
    if given.is_floating_point() or given.is_complex() or given.ndim > 1:
        raise LabkitError(
            f"hold: atoms are {given.dtype} of shape {tuple(given.shape)}; expected whole numbers (k,), or a mask (n,)"
        )
    wrong = given.reshape(-1)[(given.reshape(-1) < 0) | (given.reshape(-1) >= n)]
    if len(wrong):
        raise LabkitError(f"hold: atom {int(wrong[0])} is not in the batch; expected 0 to {n - 1}")
    found[given.reshape(-1).long()] = True
    return found
