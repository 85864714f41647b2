"""Findings about geometry: atoms too close, lengths in another unit, duplicate frames."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from scipy.spatial import cKDTree

from labkit.datasets.audit.finding import Finding
from labkit.datasets.audit.survey import Survey
from labkit.datasets.dataset import Dataset
from labkit.datasets.listed import listed

CLOSE, TOO_CLOSE = 0.7, 0.5  # of the sum of covalent radii
NEAR = 0.01  # Å, root mean square displacement below which frames count as near-duplicates
SAME = 1e-5  # Å
MANY = 1000  # atoms, above which not all their distances are compared
NOBLE = {2, 10, 18, 36, 54, 86}
ODD_LENGTHS = (1.55, 2.4)  # median of nearest distances over covalent radii if they are in bohr


def distances(dataset: Dataset, seen: Survey) -> list[Finding]:
    """Atoms too close to each other, and distances that look like another unit."""
    out = []
    for severity, low, high in (("problem", -1.0, TOO_CLOSE), ("warning", TOO_CLOSE, CLOSE)):
        found = np.flatnonzero((seen.closest > low) & (seen.closest <= high))
        if len(found):
            least = found[seen.closest[found].argmin()]
            frame, (a, b) = int(seen.frames[least]), seen.pair[least]
            symbols = [chemical_symbols[dataset.atoms[frame].numbers[k]] for k in (a, b)]
            sum_ = covalent_radii[dataset.atoms[frame].numbers[[a, b]]].sum()
            frames = seen.frames[found]
            text = (
                f"{listed(frames)}: atoms closer than {high:g} times their covalent radii; closest are atoms {a} "
                f"({symbols[0]}) and {b} ({symbols[1]}) of frame {frame}, {seen.closest[least] * sum_:.3f} Å apart"
            )
            remedy = "drop these frames, unless the potential is meant for such compression"
            out.append(Finding(severity, "atoms too close", text, remedy, frames=tuple(frames.tolist())))
    return out + _unit_of_length(dataset, seen)


def _unit_of_length(dataset: Dataset, seen: Survey) -> list[Finding]:
    if not len(seen.nearest.get("", ())) or NOBLE & set(dataset.species.tolist()):
        return []
    ratio = float(np.median(seen.nearest[""]))
    if ODD_LENGTHS[0] < ratio < ODD_LENGTHS[1]:
        guess = "bohr instead of Å"
    elif ratio < 0.2:
        guess = "nm instead of Å"
    else:
        return []
    text = f"nearest neighbours are typically {ratio:.2f} times the sum of covalent radii apart: as with {guess}"
    sure = "measured over all nearest neighbours; a gas of single atoms would look the same"
    return [Finding("warning", "unit of length", text, "convert positions and cells to Å", sure)]


def duplicates(dataset: Dataset, seen: Survey) -> list[Finding]:
    """Frames that are the same up to rotation, translation and the order of atoms of one element, exactly or nearly.

    Basis functions' energies Φ change by |ΔΦ| ≈ δ sqrt(3 n p) when every coordinate moves by δ.
    """
    nearest = _nearest_print(dataset, seen)
    same = [(a, b) for a, b, d in nearest if d < SAME]
    near = [(a, b) for a, b, d in nearest if SAME <= d < NEAR]
    out = []
    if same:
        wrong = [pair for pair in same if _differ(dataset, *pair)]
        frames = tuple(sorted({k for pair in same for k in pair}))
        pairs = ", ".join(f"{a} = {b}" for a, b in same[:6]) + (" ..." if len(same) > 6 else "")
        text = f"{len(frames)} frames occur more than once: {pairs}"
        remedy = "keep one of each: copies in training and validation make the error look too small"
        out.append(Finding("warning", "duplicates", text, remedy, f"same within {SAME:g} Å", frames))
        if wrong:
            a, b = wrong[0]
            change = dataset.energy[b] - dataset.energy[a]
            text = f"{len(wrong)} pairs of equal frames have different labels, such as {a} and {b} ({change:+.4g} eV)"
            remedy = "one of the two labels belongs to another frame, or has other settings: compute it again"
            frames = tuple(sorted({k for pair in wrong for k in pair}))
            sure = "energies differ by more than 2 meV/atom"
            out.append(Finding("problem", "duplicates disagree", text, remedy, sure, frames))
    if near:
        frames = tuple(sorted({k for pair in near for k in pair}))
        text = f"{len(frames)} frames are within {NEAR} Å of another one, such as {near[0][0]} and {near[0][1]}"
        remedy = "thin them out, and keep neighbours of one trajectory on one side of the split"
        out.append(Finding("note", "near-duplicates", text, remedy, "by invariants of their distances", frames))
    return out


def _nearest_print(dataset: Dataset, seen: Survey) -> list[tuple[int, int, float]]:
    """Each frame's nearest neighbour of the same composition, and their root mean square distance in Å."""
    found = {}
    formulas = np.array([dataset.atoms[k].get_chemical_formula() for k in seen.frames])
    for formula in np.unique(formulas):
        mine = np.flatnonzero(formulas == formula)
        if len(mine) < 2:
            continue
        prints = seen.prints[mine]
        size = np.sqrt(3 * dataset.counts[seen.frames[mine[0]]] * prints.shape[1])
        distance, place = cKDTree(prints).query(prints, k=2, distance_upper_bound=NEAR * size)
        for a in range(len(mine)):
            for d, b in zip(distance[a], place[a]):
                if b < len(mine) and b != a:
                    one, other = sorted((int(seen.frames[mine[a]]), int(seen.frames[mine[b]])))
                    found[one, other] = float(d / size)
    atoms = dataset.atoms
    return [(a, b, d) for (a, b), d in sorted(found.items()) if _alike(atoms[a], atoms[b])]


def _alike(one: Atoms, other: Atoms) -> bool:
    """Whether all distances are the same to NEAR, also those beyond the cutoff of the basis functions."""
    if (one.pbc != other.pbc).any() or len(one) > MANY:
        return len(one) > MANY
    if one.pbc.any():
        sizes = (np.sort(np.r_[a.cell.lengths()[a.pbc], abs(a.cell.volume) ** (1 / 3)]) for a in (one, other))
        if not np.allclose(*sizes, atol=NEAR, rtol=0):
            return False
    apart = [np.sort(a.get_all_distances(mic=bool(a.pbc.any())), axis=None) for a in (one, other)]
    return bool(np.sqrt(np.mean((apart[0] - apart[1]) ** 2)) < 2 * NEAR)


def _differ(dataset: Dataset, a: int, b: int) -> bool:
    return bool(abs(dataset.energy[a] - dataset.energy[b]) / dataset.counts[a] > 2e-3)
