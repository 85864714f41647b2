"""Find the labels of frames among their keys, which have many names, and check them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from ase import Atoms

from labkit.datasets.listed import listed
from labkit.datasets.structures import missing
from labkit.errors import LabkitError, suggest

Key = str | Literal[False] | None


class DatasetWarning(UserWarning):
    """A warning about what was assumed while reading frames."""


class GuessedKeys(DatasetWarning):
    """Which keys were taken for which labels; a notebook shows it as a quiet note."""


@dataclass(frozen=True)
class LabelKind:
    """The names of a label in common use, and its shape for one frame of n atoms."""

    name: str
    stems: tuple[str, ...]
    per_atom: bool
    tensor: bool

    def shape(self, n: int) -> tuple[int, ...]:
        core = (3, 3) if self.tensor else (3,) if self.per_atom else ()
        return (n, *core) if self.per_atom else core


LABELS = (
    LabelKind("energy", ("energy", "total_energy", "potential_energy", "toten", "etot"), False, False),
    LabelKind("forces", ("forces", "force"), True, False),
    LabelKind("stress", ("stress", "virial", "virials"), False, True),
    LabelKind("polarizability", ("polarizability", "polarisability"), False, True),
    LabelKind("born_charges", ("born_charges", "born_effective_charges"), True, True),
)
METHOD = "dft|ref|pbe|qm|scf|true|target|label"  # dft_energy, REF_forces, forces_ref


def candidates(label: LabelKind, keys: Sequence[str]) -> list[str]:
    """Keys that look like `label`.

    >>> candidates(LABELS[0], ["REF_energy", "kinetic_energy", "Energy"])
    ['REF_energy', 'Energy']
    """
    pattern = re.compile(rf"(?:(?:{METHOD})_)?(?:{'|'.join(label.stems)})(?:_(?:{METHOD}))?", re.IGNORECASE)
    return [key for key in keys if pattern.fullmatch(key)]


def label_arrays(given: Mapping[str, Any], frames: int, atoms: int, where: str) -> dict[str, np.ndarray]:
    """All labels of many frames: those given, checked for shape, and NaN for the others; nothing is copied.

    Raises LabkitError for an unknown name and for a shape that does not fit.
    """
    known = {label.name: label for label in LABELS}
    for name in given:
        if name not in known:
            raise LabkitError(f"{where}: unknown label {name!r}; expected {', '.join(known)}{suggest(name, known)}")
    found = {}
    for label in LABELS:
        shape = label.shape(atoms) if label.per_atom else (frames, *label.shape(0))
        if given.get(label.name) is None:
            found[label.name] = missing(shape)
            continue
        array = given[label.name]
        array = array if isinstance(array, np.ndarray) else np.asarray(array, dtype=float)
        by_frame = label.per_atom and frames > 0 and array.shape == (frames, atoms // frames, *shape[1:])
        if array.dtype.kind != "f" or array.shape != shape and not by_frame:
            raise LabkitError(
                f"{where}: {label.name} holds {array.dtype} of the shape {array.shape}; expected floats {shape}"
            )
        found[label.name] = array.reshape(shape)
    return found


def values(atoms: Atoms) -> dict[str, Any]:
    """All that a frame carries besides its structure: info, arrays and the results of its calculator."""
    structure = ("numbers", "positions")
    found = {**atoms.info, **{k: v for k, v in atoms.arrays.items() if k not in structure}}
    if atoms.calc is not None:
        found.update({k: v for k, v in getattr(atoms.calc, "results", {}).items() if v is not None})
    return found


def choose(counts: Counter[str], first: dict[str, Any], requested: dict[str, Key], source: str) -> dict[str, str]:
    """Decide which key holds which label; `counts` is the number of frames in which each key was found."""
    chosen: dict[str, str] = {}
    for label in LABELS:
        key = requested.get(label.name)
        if key is False:
            continue
        if key is not None:
            if key not in counts:
                raise LabkitError(
                    f"{source}: no frame has the key {key!r} asked for as {label.name}_key"
                    f"{suggest(key, counts)}; frame 0 holds {', '.join(first) or 'no keys'}"
                )
            chosen[label.name] = key
            continue
        found = candidates(label, list(counts))
        if len(found) > 1:
            listed = ", ".join(f"{k!r} ({counts[k]} frames)" for k in found)
            raise LabkitError(
                f"{source}: {label.name} could be any of {listed}; say which, as in {label.name}_key={found[0]!r}, "
                f"or {label.name}_key=False for none"
            )
        if found:
            chosen[label.name] = found[0]
    return chosen


def value(label: LabelKind, key: str, found: Any, atoms: Atoms, where: str) -> np.ndarray:
    """One frame's label as floats of its shape, NaN where it is not finite; a virial becomes -virial / volume."""
    shape = label.shape(len(atoms))
    try:
        array = np.asarray(found, dtype=float)
        array = _tensor(array) if shape == (3, 3) else array.reshape(shape)
    except (TypeError, ValueError):
        raise LabkitError(
            f"{where}: {key!r} is {_show(found)}, expected {label.name} as numbers of shape {shape}"
        ) from None
    array = np.where(np.isfinite(array), array, np.nan)  # what is not finite is missing
    if np.isnan(array).all():
        return array
    if "virial" in key.lower():
        if atoms.cell.rank < 3:
            raise LabkitError(f"{where}: {key!r} needs a cell of three vectors to become a stress")
        array = -array / atoms.get_volume()
    return array


def _tensor(array: np.ndarray) -> np.ndarray:
    if array.shape == (6,):  # Voigt: xx, yy, zz, yz, xz, xy
        return array[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
    return array.reshape(3, 3)


def symmetrised(labels: dict[str, np.ndarray]) -> list[str]:
    """Replace stresses and polarizabilities that are not symmetric by their symmetric parts, and say so."""
    notes = []
    for name, tolerance in (("stress", 1e-3), ("polarizability", 1e-2)):  # of the largest component; noise is less
        tensor = labels[name]
        off = np.abs(tensor - tensor.mT).max((1, 2))
        with np.errstate(invalid="ignore"):
            frames = np.flatnonzero(off > tolerance * np.abs(tensor).max((1, 2)))
        if len(frames):
            worst = frames[off[frames].argmax()]
            tensor[frames] = 0.5 * (tensor[frames] + tensor[frames].mT)
            notes.append(
                f"{name} of {listed(frames)} is not symmetric, by up to {off[worst]:.3g} (frame {worst}); its "
                "symmetric part is taken"
            )
    return notes


def _show(found: Any) -> str:
    if isinstance(found, np.ndarray):
        return f"an array of {found.dtype} of shape {found.shape}"
    return repr(found)[:60]
