"""State: what changes during dynamics, flat over a batch of systems."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ase
import torch
from torch import Tensor

from labkit.base.ase_frames import fields_of_frames, frames_of_state
from labkit.base.philox import seeds_for
from labkit.base.selection import OF_ATOMS, OF_SYSTEMS, chosen, joined, merged
from labkit.base.state_file import read_state, write_state
from labkit.base.system import System
from labkit.errors import LabkitError
from labkit.files import whole_content

#: Fields that are kept on the CPU: they are counters of the program, and reading them must not wait for a GPU.
COUNTERS = ("step", "seed")


@dataclass(frozen=True, eq=False)
class State:
    """What changes during dynamics; a step returns a new one.

    positions  (n, 3)    Å
    cell       (S, 3, 3) Å, rows are lattice vectors
    velocities (n, 3)    Å/fs
    forces     (n, 3)    eV/Å of the last evaluation, or None
    energy     (S,)      eV of the last evaluation, or None
    aux                  variables of the thermostat or barostat, one row for each system: tensors (S, ...)
    atom_aux             the same, one row for each atom: tensors (n, ...)
    step, seed (S,)      int64 on the CPU; noise is a function of these, of a stream and of the atom's place in its
                         system. One step applies to all; different seeds are derived from one, `seeds_for`

    `state[mask or indices]` is the batch of some of its systems.

    >>> from ase.build import molecule
    >>> state = State.from_atoms([molecule("H2O"), molecule("CH4")])
    >>> state.system.n_systems, tuple(state.positions.shape), tuple(state[[1]].positions.shape)
    (2, (8, 3), (5, 3))
    """

    system: System
    positions: Tensor
    cell: Tensor
    velocities: Tensor
    forces: Tensor | None = None
    energy: Tensor | None = None
    aux: dict[str, Tensor] = field(default_factory=dict)
    atom_aux: dict[str, Tensor] = field(default_factory=dict)
    step: Tensor | int = 0
    seed: Tensor | int = 0

    def __post_init__(self) -> None:
        systems, n = self.system.n_systems, self.system.n_atoms
        for name, expected in (("positions", (n, 3)), ("velocities", (n, 3)), ("cell", (systems, 3, 3))):
            if (found := tuple(getattr(self, name).shape)) != expected:
                hint = "; give one for each system, as with cell[None]" if name == "cell" and found == (3, 3) else ""
                raise LabkitError(
                    f"the state's {name} are {found}; expected {expected}, as its system has {n} atoms{hint}"
                )
        if not isinstance(self.step, Tensor):
            object.__setattr__(self, "step", torch.full((systems,), int(self.step), dtype=torch.int64))
        if not isinstance(self.seed, Tensor):
            object.__setattr__(self, "seed", seeds_for(systems, int(self.seed)))
        for name, rows, length in (("aux", self.aux, systems), ("atom_aux", self.atom_aux, self.system.n_atoms)):
            for key, value in rows.items():
                if value.ndim == 0 or len(value) != length:
                    raise LabkitError(
                        f"{name}[{key!r}] has shape {tuple(value.shape)}; expected ({length}, ...), one row for each "
                        f"{'system' if name == 'aux' else 'atom'}"
                    )

    @property
    def loop_step(self) -> int:
        """The step that loops, observers and checkpoints count: the largest of its systems."""
        return int(self.step.max())

    @classmethod
    def from_atoms(
        cls,
        atoms: ase.Atoms | Sequence[ase.Atoms],
        *,
        seed: int | Sequence[int] = 0,
        equal_seeds: bool = False,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> State:
        """The state of one ASE Atoms, or of a sequence of them as one batch.

        Atoms of infinite mass are held, as in `to_atoms`; ASE's own constraints, such as FixAtoms, are not read: use
        `labkit.engine.hold(state, fixed.index)`.

        seed         one, from which a different one is derived for each system, or one for each; `equal_seeds`
                     allows systems to have the same noise

        Raises LabkitError for an empty sequence, an unknown element, a position that is not a number, or a frame that
        is periodic along a lattice vector of length zero.
        """
        frames = [atoms] if isinstance(atoms, ase.Atoms) else list(atoms)
        seeds = seeds_for(len(frames), seed, equal=equal_seeds)
        return cls(**fields_of_frames(frames, dtype, device), seed=seeds)

    @classmethod
    def batch(cls, states: Sequence[State], *, seed: int | None = None, equal_seeds: bool = False) -> State:
        """Several states, of the same or of different systems, as one batch in their order.

        Each system keeps its step and its seed, unless `seed` is given, from which new ones are derived. Forces,
        energies and aux are kept if all states have them. Raises LabkitError if there is no state, or if two
        systems have the same seed, unless `equal_seeds` allows it.

        >>> from ase.build import molecule
        >>> water = State.from_atoms(molecule("H2O"))
        >>> State.batch([water] * 3, seed=1).system.n_systems
        3
        """
        return cls(**joined(list(states), seed, equal_seeds))

    def __getitem__(self, which: Any) -> State:
        """Some systems as a batch: a mask (S,), indices in any order, a slice or one number.

        Raises LabkitError for a mask of another length, a system that does not exist, and one that is selected
        twice, which would have the same noise twice: `State.batch` makes replicas.
        """
        return chosen(self, which)

    @staticmethod
    def where(mask: Tensor, a: State, b: State) -> State:
        """Systems of `a` where the mask (S,) is true, of `b` elsewhere: two states of the same batch.

        Raises LabkitError for states of other systems, and for entries of aux that only one of them has.
        """
        return merged(mask, a, b)

    def to_atoms(self) -> list[ase.Atoms]:
        """The batch as ASE Atoms, with velocities and, if known, energies and forces.

        Held atoms keep their infinite mass. They do not become FixAtoms, which would make ASE report their forces as
        zero; mean forces are averages of these forces.
        """
        return frames_of_state(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the whole state as safetensors, completely or not at all; gradients are not kept."""
        write_state(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: torch.device | str = "cpu") -> State:
        """Read what `save` wrote. Raises LabkitError for another kind of file, or a damaged one."""
        with whole_content(Path(path)):
            return cls(**read_state(path, device))

    def replace(self, **changes: Any) -> State:
        """A copy with some fields replaced."""
        return replace(self, **changes)

    def to(self, *where: torch.device | str | torch.dtype) -> State:
        """A copy on a device, in a dtype, or both; counters stay whole numbers on the CPU."""
        dtype = next((w for w in where if isinstance(w, torch.dtype)), None)
        device = next((w for w in where if not isinstance(w, torch.dtype)), None)

        def moved(value: Tensor | None) -> Tensor | None:
            return value if value is None else value.to(device, dtype if value.is_floating_point() else None)

        names = [name for name in (*OF_ATOMS, *OF_SYSTEMS) if name not in COUNTERS]
        return replace(
            self,
            system=self.system.to(device, dtype),
            **{name: moved(getattr(self, name)) for name in names},
            aux={key: moved(value) for key, value in self.aux.items()},
            atom_aux={key: moved(value) for key, value in self.atom_aux.items()},
        )

    def volume(self) -> Tensor:
        """Volumes (S,) in Å^3; zero for an open system without a cell."""
        return torch.abs(torch.linalg.det(self.cell))

    def check_volume(self) -> None:
        """Raise LabkitError for a system without a stress: it is open, or its cell has no volume.

        A slab that is periodic in two directions has one, with the volume of its three vectors.
        """
        lost = torch.nonzero(~self.system.pbc.any(1) | (self.volume() < 1e-6)).flatten().tolist()
        if lost:
            which = "not periodic" if not bool(self.system.pbc[lost[0]].any()) else "without three lattice vectors"
            raise LabkitError(f"stress was requested, but system {lost[0]} is {which}; use stress=False")
