"""Labels of frames for tensor regression: checked for presence, shape, symmetry and plausible size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms

from labkit.base import check_atoms
from labkit.datasets import Dataset
from labkit.datasets.source import of_function, remember
from labkit.errors import LabkitError
from labkit.polarizability.plausible import magnitude, sum_rule, symmetrise
from labkit.polarizability.target import Target, as_target

Frames = Dataset | Sequence[Atoms]


def structures(frames: Frames | Atoms) -> list[Atoms]:
    """The frames as a list of Atoms; raises LabkitError for an empty list and for invalid geometry."""
    found = frames.atoms if isinstance(frames, Dataset) else [frames] if isinstance(frames, Atoms) else list(frames)
    if not found:
        raise LabkitError("no frames were given; expected at least one")
    for k, atoms in enumerate(found):
        check_atoms(atoms, f"frame {k}")
    return found


def with_label(frames: Frames, target: str | Target) -> Frames:
    """The frames that have the property, in order.

    >>> import labkit
    >>> len(with_label(labkit.datasets.ice("valid"), "polarizability")) > 10
    True
    """
    target = as_target(target)
    found = [k for k, value in enumerate(_found(frames, target)) if value is not None]
    if not isinstance(frames, Dataset):
        return [frames[k] for k in found]
    return remember(frames[found], of_function(frames.source, "with_label", target.name))


def read_labels(frames: Frames, target: Target) -> tuple[np.ndarray, list[str]]:
    """Values (S, ...) of cells or (n, ...) of atoms, and notes on what was corrected or looks wrong."""
    atoms = structures(frames)
    found = _found(frames, target)
    missing = [k for k, value in enumerate(found) if value is None]
    if missing:
        raise LabkitError(
            f"{len(missing)} of {len(found)} frames have no {target.name} (the first: frame {missing[0]}); leave them "
            f"out, as in with_label(frames, {target.name!r})"
        )
    values = [_shaped(value, target, len(a), f"frame {k}") for k, (value, a) in enumerate(zip(found, atoms))]
    notes = []
    if is_periodic(atoms, target) and target.rank == 1:
        notes.append(f"{target.name} of periodic frames is known only up to a quantum; make sure that it has no jumps")
    if target.rank == 2 and target.symmetric:
        notes += symmetrise(values, target)
    notes += sum_rule(values, target) if target.of == "neutral" else []
    notes += magnitude(values, atoms) if target.name == "polarizability" else []
    return np.concatenate(values) if target.per_atom else np.stack(values), notes


def _found(frames: Frames, target: Target) -> list[Any]:
    """The raw label of each frame, or None."""
    if isinstance(frames, Dataset) and hasattr(frames, target.name):
        spans = zip(frames.offsets[:-1], frames.offsets[1:])
        array = getattr(frames, target.name)
        parts = [array[a:b] for a, b in spans] if target.per_atom else list(array)
        return [None if np.isnan(part).any() else part for part in parts]
    if isinstance(frames, Dataset):
        infos = frames.info
    else:
        infos = [{**a.info, **(a.calc.results if a.calc is not None else {})} for a in frames]
    atoms = structures(frames)
    return [a.arrays.get(target.name) if target.per_atom else info.get(target.name) for a, info in zip(atoms, infos)]


def _shaped(value: Any, target: Target, n: int, where: str) -> np.ndarray:
    expected = (n, *target.shape) if target.per_atom else target.shape
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise LabkitError(f"{where}: {target.name} is {str(value)[:40]!r}, expected numbers") from None
    flat = (n, 9) if target.per_atom else (9,)
    if array.shape not in (expected, flat if target.rank == 2 else expected):
        raise LabkitError(f"{where}: {target.name} has the shape {array.shape}, expected {expected}")
    if not np.isfinite(array).all():
        raise LabkitError(f"{where}: {target.name} holds {array[~np.isfinite(array)][0]}; correct it or leave it out")
    return array.reshape(expected)


def is_periodic(atoms: Sequence[Atoms], target: Target, known: bool | None = None) -> bool | None:
    """Whether the frames are periodic; None if it does not matter: scalars, and properties of atoms.

    Dipoles and polarizabilities of cells differ in meaning from those of molecules: V (ε - 1)/4π has the field of the
    other cells in it. Raises LabkitError if both kinds are mixed, or the frames are not of the `known` kind.
    """
    if target.rank == 0 or target.per_atom:
        return None
    found = [bool(a.pbc.any()) for a in atoms]
    expected = found[0] if known is None else known
    if (not expected) in found:
        other = found.index(not expected)
        first = "frame 0 is" if known is None else "this model was trained on frames that are"
        names = ("periodic", "open") if expected else ("open", "periodic")
        raise LabkitError(
            f"{first} {names[0]} and frame {other} is {names[1]}: {target.name} of a crystal and of a molecule are not "
            "the same quantity; train one model for each"
        )
    return expected
