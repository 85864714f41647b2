"""What a potential and its uncertainty say about frames, as the fields of a Pool."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from labkit.active.selection.frame_vectors import atom_vectors, chosen_columns, describes
from labkit.base import Committee, Evaluation, Potential, State, Sum
from labkit.base.frames import batches
from labkit.datasets import Dataset
from labkit.datasets.labels import label_arrays
from labkit.errors import LabkitError, suggest
from labkit.neural import NeuralPotential, evaluate_members

if TYPE_CHECKING:
    from labkit.active.uncertainty import Spread, Uncertainty

SPREAD, MEMBERS = {"spread", "spread_per_atom"}, {"members", "member_forces"}
VECTORS = {"features", "atom_features", "species"}


def fields_of_frames(
    frames: Dataset | Sequence[Atoms],
    potential: Potential,
    uncertainty: Uncertainty | None = None,
    known: Dataset | Sequence[Atoms] | None = None,
    *,
    needs: Collection[str] | None = None,
    worst_atom: bool = True,
    n_features: int = 256,
) -> dict[str, Any]:
    """The fields of a Pool of these frames; None for those that the potential does not give.

    needs       fields to compute, as `selection.needs`; None: all, which costs forces of all members of a committee
    worst_atom  rank frames by their least certain atom if the spread of atoms is that of forces, eV/Å, as is usual for
                committees; otherwise, and for other units, by the spread of the system
    n_features  vectors have at most so many components, representative ones of all

    Raises LabkitError for an unknown field in `needs`.
    """
    frames, known = as_dataset(frames), as_dataset(() if known is None else known)
    every = SPREAD | MEMBERS | VECTORS
    wanted = every if needs is None else set(needs)
    for field in sorted(wanted - every):
        names = ", ".join(sorted(every))
        raise LabkitError(f"needs: a pool has no {field!r}, expected some of {names}{suggest(field, every)}")
    found: dict[str, Any] = {"n_atoms": np.asarray(frames.counts), "names": _names(frames)}
    members = _members_of(potential) if wanted & MEMBERS else None
    if members is not None or (uncertainty is not None and wanted & SPREAD):
        scored, shared = uncertainty if wanted & SPREAD else None, isinstance(potential, Committee)
        found |= _predictions(frames, scored, members, wanted, worst_atom, shared)
    if wanted & VECTORS and len(frames) and describes(potential) is not None:
        both = frames + known if len(known) else frames
        columns = chosen_columns(potential, both, n_features)
        atoms = wanted & {"atom_features", "species"}
        found["features"], of_atoms, species = _vectors(frames, potential, columns)
        if atoms:
            found |= {"atom_features": of_atoms, "species": species}
        if len(known):
            found["known"], of_atoms, species = _vectors(known, potential, columns)
            if atoms:
                found |= {"known_atoms": np.concatenate(of_atoms), "known_species": np.concatenate(species)}
    return found


def as_dataset(frames: Dataset | Sequence[Atoms]) -> Dataset:
    """Frames without labels as a Dataset."""
    if isinstance(frames, Dataset):
        return frames
    nothing = label_arrays({}, len(frames), sum(len(atoms) for atoms in frames), "frames")
    return Dataset(list(frames), **nothing, info=[{}] * len(frames))


def _names(frames: Dataset) -> list[str] | None:
    return [f"{frames.name} frame {k}" for k in range(len(frames))] if frames.name else None


def _states(frames: Dataset) -> Iterator[tuple[State, np.ndarray]]:
    """Batches of frames, and where the atoms of each but the first begin."""
    for rows in batches(frames.counts.tolist()):
        yield frames.state(rows), np.cumsum(frames.counts[rows])[:-1]


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().to(torch.float64).numpy()


def _members_of(potential: Potential) -> Callable[[State, bool], Evaluation] | None:
    """How the members of a potential are evaluated: a committee, also in a sum, or a network with several outputs."""
    if isinstance(potential, Committee):
        return lambda state, forces: potential.evaluate(state, forces=forces, per_atom=True)
    if isinstance(potential, NeuralPotential):
        several = potential.network.last.out_features > 1 and potential.config.head == "plain"
        return (lambda state, forces: evaluate_members(potential, state, forces=forces)) if several else None
    parts = [p for p in potential.potentials if _members_of(p)] if isinstance(potential, Sum) else []
    return _members_of(parts[0]) if len(parts) == 1 else None


def _predictions(
    frames: Dataset,
    uncertainty: Uncertainty | None,
    members: Callable[[State, bool], Evaluation] | None,
    wanted: set[str],
    worst_atom: bool,
    shared: bool,
) -> dict[str, Any]:
    spreads: list[np.ndarray] = []
    of_atoms: list[np.ndarray] = []
    energies: list[np.ndarray] = []
    forces: list[np.ndarray] = []
    found: dict[str, Any] = {}
    for state, cuts in _states(frames):
        evaluation = None
        if members is not None:
            evaluation = members(state, "member_forces" in wanted or uncertainty is not None)
            each = evaluation.members
            energies.append(_array(each.energy) / state.system.counts.cpu().numpy())
            if each.forces is not None and "member_forces" in wanted:
                forces += np.split(_array(each.forces), cuts, axis=1)
        if uncertainty is not None:
            spread = uncertainty(state, evaluation if shared else None)
            values, found["unit"] = _ranked(spread, state, worst_atom)
            spreads.append(values)
            if spread.per_atom is not None:
                of_atoms += np.split(_array(spread.per_atom), cuts)
    found["spread"] = np.concatenate(spreads) if spreads else None
    found["spread_per_atom"] = of_atoms or None
    found["members"] = np.concatenate(energies, axis=1) if energies else None
    found["member_forces"] = forces or None
    return found


def _ranked(spread: Spread, state: State, worst_atom: bool) -> tuple[np.ndarray, str]:
    if worst_atom and spread.unit_per_atom == "eV/Å":
        return _array(spread.max_over_atoms(state.system)), "eV/Å"
    return _array(spread.per_system), spread.unit_per_system


def _vectors(
    frames: Dataset, potential: Potential, columns: Tensor | None
) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Vectors of frames (S, d), the mean over their atoms, and vectors and species of the atoms of each."""
    means: list[np.ndarray] = []
    atoms: list[np.ndarray] = []
    species: list[np.ndarray] = []
    for state, cuts in _states(frames):
        rows = atom_vectors(potential, state)
        rows = rows if columns is None else rows[:, columns]
        means.append(_array(state.system.sum_over_atoms(rows) / state.system.counts[:, None]))
        atoms += np.split(_array(rows), cuts)
        species += np.split(state.system.types.cpu().numpy(), cuts)
    return np.concatenate(means), atoms, species
