"""Selecting systems from batches and joining them into others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from labkit.base.philox import refuse_equal, seeds_for
from labkit.base.system import System
from labkit.errors import LabkitError

if TYPE_CHECKING:
    from labkit.base.state import State

#: Fields of a State with one row for each atom, and those with one for each system.
OF_ATOMS, OF_SYSTEMS = ("positions", "velocities", "forces"), ("cell", "energy", "step", "seed")


def joined(states: Sequence[State], seed: int | None, equal_seeds: bool) -> dict[str, Any]:
    """Fields of the State that is a batch of all these; see `State.batch`."""
    if not states:
        raise LabkitError("no states were given; expected a sequence of at least one")

    def row(parts: Sequence[Tensor | None]) -> Tensor | None:
        return None if any(p is None for p in parts) else torch.cat([part.to(parts[0]) for part in parts])

    def rows(name: str) -> dict[str, Tensor]:
        entries = [getattr(state, name) for state in states]
        return {key: row([e[key] for e in entries]) for key in entries[0] if all(key in e for e in entries)}

    system = System.batch([state.system for state in states])
    fields = {name: row([getattr(s, name) for s in states]) for name in (*OF_ATOMS, *OF_SYSTEMS)}
    if seed is not None:
        fields["seed"] = seeds_for(system.n_systems, seed)
    elif not equal_seeds:
        refuse_equal(fields["seed"])
    return {"system": system, **fields, "aux": rows("aux"), "atom_aux": rows("atom_aux")}


def chosen(state: State, which: Any) -> State:
    """The batch of some of its systems; see `State.__getitem__`."""
    systems = _numbers(state, which)
    atoms = state.system.atoms_of(systems)

    def of_atoms(value: Tensor | None) -> Tensor | None:
        return None if value is None else value[atoms.to(value.device)]

    def of_systems(value: Tensor | None) -> Tensor | None:
        return None if value is None else value[systems.to(value.device)]

    return state.replace(
        system=state.system.take(systems),
        **{name: of_atoms(getattr(state, name)) for name in OF_ATOMS},
        **{name: of_systems(getattr(state, name)) for name in OF_SYSTEMS},
        aux={key: of_systems(value) for key, value in state.aux.items()},
        atom_aux={key: of_atoms(value) for key, value in state.atom_aux.items()},
    )


def merged(mask: Tensor, a: State, b: State) -> State:
    """Systems of `a` where the mask is true, of `b` elsewhere; see `State.where`."""
    one, two = a.system, b.system
    alike = one.vocabulary == two.vocabulary and all(
        torch.equal(getattr(one, name), getattr(two, name)) for name in ("numbers", "types", "index")
    )
    if not alike:
        raise LabkitError("State.where: the two states are of different systems; expected two of the same batch")
    mask = torch.as_tensor(mask)
    if mask.shape != (one.n_systems,) or mask.dtype != torch.bool:
        raise LabkitError(f"State.where: the mask is {tuple(mask.shape)}, expected ({one.n_systems},) of bool")
    for name in ("aux", "atom_aux"):
        lonely = sorted(set(getattr(a, name)) ^ set(getattr(b, name)))
        if lonely:
            raise LabkitError(f"State.where: only one of the states has {name}[{lonely[0]!r}]; give it to both")

    def picked(x: Tensor | None, y: Tensor | None, rows: Tensor) -> Tensor | None:
        if x is None or y is None:
            return None
        return torch.where(rows.to(x.device).reshape(-1, *[1] * (x.ndim - 1)), x, y)

    atoms = mask.to(one.index.device)[one.index]
    return a.replace(
        **{name: picked(getattr(a, name), getattr(b, name), atoms) for name in OF_ATOMS},
        **{name: picked(getattr(a, name), getattr(b, name), mask) for name in OF_SYSTEMS},
        aux={key: picked(a.aux[key], b.aux[key], mask) for key in a.aux},
        atom_aux={key: picked(a.atom_aux[key], b.atom_aux[key], atoms) for key in a.atom_aux},
    )


def _numbers(state: State, which: Any) -> Tensor:
    places = torch.arange(state.system.n_systems)
    if isinstance(which, Tensor):
        which = which.cpu()
    elif isinstance(which, int):
        which = [which]
    try:
        found = places[which if isinstance(which, slice) else torch.as_tensor(which)]
    except (IndexError, TypeError, ValueError, RuntimeError) as error:
        raise LabkitError(
            f"state[{which!r}]: expected a mask of its {len(places)} systems, or their numbers from 0 to "
            f"{len(places) - 1}"
        ) from error
    if found.ndim != 1 or len(found) == 0 or len(found.unique()) < len(found):
        what = "no system" if len(found) == 0 else "a system twice"
        raise LabkitError(f"state[{which!r}] asks for {what}; State.batch([state] * 3, seed=1) makes replicas")
    return found
