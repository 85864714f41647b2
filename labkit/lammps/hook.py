"""Called by a `fix external` at each step: the base of the three kinds of hook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from labkit.lammps.group import AtomGroup

if TYPE_CHECKING:
    from labkit.lammps.host import Host


class Hook:
    """Base class: a name, which is the fix's ID, a group, and calls before, in and after a run."""

    #: potentials come first, then integrators, which need all forces, then observers, which need all velocities
    rank = 0

    def __init__(self, host: Host, name: str, group: str, what: Any) -> None:
        self.host, self.name, self.group_name, self.what = host, name, group, what
        self.group: AtomGroup | None = None

    def begin(self) -> None:
        """Before a run: find the members of the group."""
        kept = self.group
        self.group = AtomGroup(self.host.lmp, self.group_name, self.host.units, self.host.names)
        if kept is not None and _same(kept, self.group):
            self.group = kept  # the same System: neighbour lists and compiled kernels stay

    def call(self, step: int, external: np.ndarray) -> None:
        """At POST_FORCE of a step; `external` (local atoms, 3) are forces that LAMMPS adds, zero so far.

        The base class does nothing: with it a run of LAMMPS alone can be observed and stopped.
        """

    def end(self) -> None:
        """After a run, even one that failed."""

    def __str__(self) -> str:
        return f"{self.name} ({type(self.what).__name__} on group {self.group_name})"


def _same(a: AtomGroup, b: AtomGroup) -> bool:
    one, other = a.system, b.system
    return (
        np.array_equal(a.tags, b.tags)
        and np.array_equal(a.types, b.types)
        and all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("numbers", "masses", "pbc"))
    )
