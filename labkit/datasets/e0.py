"""Energies of isolated atoms, from frames, and whether they fit the energies of frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from labkit.base import ELEMENTS
from labkit.datasets.dataset import Dataset
from labkit.errors import LabkitError

BOUND = (-15.0, 3.0)  # eV per atom that binding can explain
ALONE = 0.01  # eV by which the energy of a frame of one atom may differ from its e0
BONDS = f"no bonds can explain ({BOUND[0]:g} to {BOUND[1]:g} eV)"
ADVICE = "give atoms computed as the frames were, or leave e0 out and use e0_method='average'"


def compositions(frames: Dataset) -> tuple[tuple[str, ...], np.ndarray]:
    """The elements in frames, and the types of what is not an element; how many of each every frame has, (S, K)."""
    system = frames.state().system
    numbers, types = system.numbers.numpy(), system.types.numpy()
    kinds, which = np.unique(np.stack([numbers, np.where(numbers > 0, 0, types)]), axis=1, return_inverse=True)
    counts = np.zeros((len(frames), kinds.shape[1]))
    np.add.at(counts, (system.index.numpy(), which.reshape(-1)), 1)
    return tuple(ELEMENTS.names[z] if z else system.vocabulary.names[t] for z, t in kinds.T), counts


def average_e0(frames: Dataset) -> dict[str, float]:
    """e0 [eV] by species: least squares of the energies; where compositions cannot tell the species apart (as in pure
    water), the mean energy per atom for each; 0 if no frame has an energy.

    >>> from labkit.datasets import ice
    >>> sorted(average_e0(ice("train", n=50)))
    ['H', 'O']
    """
    names, counts = compositions(frames)
    known = np.isfinite(frames.energy)
    counts, energies = counts[known], frames.energy[known]
    if not known.any():
        return dict.fromkeys(names, 0.0)
    if np.linalg.matrix_rank(counts) < len(names):
        return dict.fromkeys(names, float((energies / counts.sum(1)).mean()))
    return dict(zip(names, np.linalg.lstsq(counts, energies, rcond=None)[0].tolist(), strict=True))


def isolated_e0(frames: Dataset, names: Sequence[str], advice: str) -> dict[str, float]:
    """e0 [eV] by species from frames of one atom. Raises LabkitError, with `advice`, if one of `names` has none."""
    found = {}
    for k in np.flatnonzero((frames.counts == 1) & np.isfinite(frames.energy)):
        (name,), _ = compositions(frames[[int(k)]])
        found[name] = float(frames.energy[k])
    missing = [name for name in names if name not in found]
    if missing:
        raise LabkitError(
            f"e0_method is 'isolated', but {frames.name} has no labelled frame of one {missing[0]} atom; {advice}"
        )
    return {name: found[name] for name in names}


def bonding(frames: Dataset, e0: Mapping[str, float]) -> np.ndarray:
    """(S,) eV per atom that e0 leaves of the energies; NaN for frames of one atom, of beads, or without an energy."""
    names, counts = compositions(frames)
    elements = np.array([name in ELEMENTS for name in names])
    left = (frames.energy - counts @ np.array([e0[name] for name in names])) / frames.counts
    return np.where((frames.counts > 1) & (counts[:, ~elements].sum(1) == 0), left, np.nan)


def e0_notes(frames: Dataset, e0: Mapping[str, float]) -> list[str]:
    """What is odd about energies of atoms: those of another reference leave no energies of bonds.

    Bonds lower the energy by up to some 10 eV per atom; compressed or hot structures may lie a little above their
    atoms. What lies beyond has to come from the rest of the model, which costs accuracy everywhere.
    """
    left = bonding(frames, e0)
    known = np.isfinite(left)
    mean = float(left[known].mean()) if known.any() else 0.0
    if BOUND[0] < mean < BOUND[1]:
        return []
    return [
        f"e0 leaves {mean:.4g} eV per atom on average, which {BONDS}: {_worst(frames, e0, left)}. It seems to belong "
        f"to another reference (other pseudopotentials, or all electrons); {ADVICE}"
    ]


def odd_energies(frames: Dataset, e0: Mapping[str, float]) -> list[str]:
    """Which single frames have energies that no bonds can explain, if the others' can."""
    left = bonding(frames, e0)
    odd = np.isfinite(left) & ~((left > BOUND[0]) & (left < BOUND[1]))
    if not odd.any() or e0_notes(frames, e0):
        return []
    return [
        f"{int(odd.sum())} of {len(frames)} frames have an energy that {BONDS}: {_worst(frames, e0, left)}. They are "
        "far from any bonded structure, or labelled in another way than the others; look at them, or leave them out"
    ]


def atoms_alone(frames: Dataset, e0: Mapping[str, float]) -> list[str]:
    """Where the energies of frames of one atom are not its e0, which a model gives to an atom alone."""
    names, counts = compositions(frames)
    off = np.abs(frames.energy - counts @ np.array([e0[name] for name in names]))
    rows = np.flatnonzero((frames.counts == 1) & np.isfinite(off) & (off > ALONE))
    if not len(rows):
        return []
    k = int(rows[0])
    name = names[int(counts[k].argmax())]
    return [
        f"frame {k} is one atom of {name} with an energy of {frames.energy[k]:.6g} eV, but e0 of {name} is "
        f"{e0[name]:.6g} eV, which the model gives to an atom alone: one of them is wrong, or use e0_method='isolated'"
    ]


def _worst(frames: Dataset, e0: Mapping[str, float], left: np.ndarray) -> str:
    k = int(np.nanargmax(np.abs(left)))
    names, counts = compositions(frames[[k]])
    lone = float(counts[0] @ np.array([e0[name] for name in names]))
    formula = "".join(f"{name}{int(n) if n > 1 else ''}" for name, n in zip(names, counts[0], strict=True))
    return (
        f"frame {k} ({formula}) has {frames.energy[k]:.6g} eV, its atoms alone {lone:.6g} eV, a difference of "
        f"{left[k]:.4g} eV per atom"
    )
