"""How much labelled energies change where the forces say by how much they should: a ratio with its error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from labkit.base.nearest_image import nearest
from labkit.datasets.audit.frame_labels import Labels

if TYPE_CHECKING:
    from labkit.datasets.audit.survey import Survey

FEWEST = 8  # pairs of frames from which a ratio is taken
PARTS = 10  # of a set, left out in turn
COMMON = 0.5  # of the scatter of changes, the part that may be common to all
FLOOR = 0.3  # of the median error of a change, the least error that one is given
MOST = 400  # frames of one kind that are compared


class Ratio(NamedTuple):
    """value ± value · error: changes of energy in labels over those that the forces give.

    pairs     of frames that were compared
    by        'neighbours', 'any two' (frames of the same atoms and cell) or 'model' (all frames of the same atoms)
    per_atom  whether labels times the number of atoms fit better, in a set of frames of several sizes
    """

    value: float
    error: float
    pairs: int
    by: str
    per_atom: bool = False

    def __str__(self) -> str:
        return f"{self.value:.3g} ± {abs(self.value) * self.error:.1g}"


class Changes(NamedTuple):
    """Changes of energy between frames, in labels and from forces, over their errors; atoms of the frames."""

    labelled: np.ndarray
    implied: np.ndarray
    counts: np.ndarray
    by: str

    def ratio(self, common: float = 0.0) -> Ratio | None:
        """The reduced major axis, sign(xy) (yy/xx)^1/2.

        The true ratio lies between the regression of one on the other and its reverse, xy/xx and yy/xy; half of ln of
        their ratio is one part of the error, the other is the scatter when parts of the set are left out. A share
        `common` of what scatters, (1 - xy²/xx yy)^1/2, may have the same sign in all frames, which no scatter shows.
        """
        known = np.isfinite(self.labelled) & np.isfinite(self.implied)
        x, y = self.implied[known], self.labelled[known]
        x, y = _clipped(x), _clipped(y)
        if len(x) < FEWEST:
            return None
        part = np.arange(len(x)) * PARTS // len(x)
        sums = np.array([[(u * v)[part == p].sum() for u, v in ((x, x), (x, y), (y, y))] for p in range(PARTS)])
        xx, xy, yy = sums.sum(0)
        if min(xx, yy) <= 0 or xy == 0:
            return None
        value = np.sign(xy) * np.sqrt(yy / xx)
        rest = np.maximum(sums.sum(0) - sums, 1e-300)
        scatter = 0.5 * np.log(rest[:, 2] / rest[:, 0])
        count = len(scatter)
        jackknife = np.sqrt((count - 1) / count * ((scatter - scatter.mean()) ** 2).sum())
        explained = min(xy**2 / (xx * yy), 1.0)
        error = np.sqrt(jackknife**2 + (0.5 * np.log(explained)) ** 2 + common**2 * (1 - explained))
        return Ratio(float(value), float(error), len(x), self.by)


def energy_ratio(labels: Labels, seen: Survey, forces: int, energy: int, level: Ratio | None) -> Ratio | None:
    """The ratio with the least error: of frames that are neighbours, of any two, or `level`, from the model alone."""
    found = [] if level is None else [level]
    for some in changes(labels, seen, forces, energy):
        if (ratio := some.ratio(COMMON)) is None:
            continue
        found.append(ratio)
        each = some._replace(labelled=some.labelled * some.counts).ratio(COMMON)
        if np.ptp(some.counts) > 0 and each is not None and each.error < 0.5 * ratio.error:
            found[-1] = each._replace(per_atom=True)
    return min(found, key=lambda ratio: ratio.error, default=None)


def changes(labels: Labels, seen: Survey, forces: int, energy: int) -> Iterator[Changes]:
    """Changes between frames of the same atoms in the same cell, where labels have these shifts.

    From a to b it is ΔE = ΔE_m - (δF_a + δF_b)·(R_b - R_a)/2, with the model's energy E_m and what the labelled forces
    are more than the model's, δF: exact for a right model, and for one that is wrong by a harmonic energy. Its error is
    in proportion to |δF| |R_b - R_a|.
    """
    rows: dict[str, list[tuple[float, float, float, int]]] = {"neighbours": [], "any two": []}
    for places in _kinds(labels, seen):
        step = _Steps(labels, seen, places, forces)
        source = seen.frames[places] + energy
        inside = (source >= 0) & (source < len(labels.dataset))
        energies = np.where(inside, labels.dataset.energy[np.where(inside, source, 0)], np.nan)
        for by, pairs in (("neighbours", step.neighbours()), ("any two", step.any_two())):
            for a, b in pairs:
                rows[by].append((energies[b] - energies[a], *step.implied(a, b), step.atoms))
    for by, found in rows.items():
        if len(found) >= FEWEST:
            labelled, implied, bound, counts = (np.array(column, float) for column in zip(*found))
            size = bound + FLOOR * np.nanmedian(bound)
            yield Changes(labelled / size, implied / size, counts, by)


class _Steps:
    """Frames of the same atoms in the same cell, and the work of forces between two of them."""

    def __init__(self, labels: Labels, seen: Survey, places: np.ndarray, shift: int) -> None:
        atoms = [labels.dataset.atoms[int(k)] for k in seen.frames[places]]
        self.atoms, self.energy = len(atoms[0]), np.nan_to_num(seen.energy[places])
        self.cell, self.pbc = atoms[0].cell.array, atoms[0].pbc
        off = []
        for place in places:
            (source,) = labels.source(int(seen.frames[place]), np.array([shift]))
            off.append(labels.forces(source) - seen.of(place) if source >= 0 else np.full((self.atoms, 3), np.nan))
        self.positions, self.off = np.stack([a.positions for a in atoms]), np.stack(off)
        if not self.pbc.any():
            self._turn()

    def _turn(self) -> None:
        """Turn open frames so that they lie on the first."""
        self.positions = self.positions - self.positions.mean(1, keepdims=True)
        u, _, v = np.linalg.svd(self.positions.swapaxes(1, 2) @ self.positions[0])
        u[:, :, 2] *= np.sign(np.linalg.det(u @ v))[:, None]
        turn = u @ v
        self.positions, self.off = self.positions @ turn, self.off @ turn

    def _step(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        step = self.positions[b] - self.positions[a]
        if self.pbc.any():
            flat = torch.from_numpy(step.reshape(-1, 3))
            cell, pbc = torch.from_numpy(self.cell[None].copy()), torch.from_numpy(self.pbc[None])
            step = nearest(flat, cell, pbc, torch.zeros(len(flat), dtype=torch.int64)).numpy().reshape(step.shape)
        return step - step.mean(-2, keepdims=True)

    def implied(self, a: int, b: int) -> tuple[float, float]:
        """The change of energy, and a bound of the work of the forces that the model lacks, eV."""
        step = self._step(a, b)
        work = 0.5 * ((self.off[a] + self.off[b]) * step).sum()
        most = 0.5 * (np.linalg.norm(self.off[a]) + np.linalg.norm(self.off[b])) * np.linalg.norm(step)
        return float(self.energy[b] - self.energy[a] - work), float(most)

    def any_two(self) -> list[tuple[int, int]]:
        order = np.random.default_rng(0).permutation(len(self.energy))
        return [(int(min(a, b)), int(max(a, b))) for a, b in zip(order, np.roll(order, 1)) if a != b]

    def neighbours(self) -> list[tuple[int, int]]:
        count = len(self.energy)
        flat = self._step(np.zeros(count, int), np.arange(count)).reshape(count, -1)
        square = (flat**2).sum(1)
        apart = square[:, None] + square - 2 * flat @ flat.T
        np.fill_diagonal(apart, np.inf)
        return sorted({(min(a, int(b)), max(a, int(b))) for a, b in enumerate(apart.argmin(1))})


def _kinds(labels: Labels, seen: Survey) -> Iterator[np.ndarray]:
    """Places in the survey of the frames that have the same atoms, boundaries and cell."""
    kinds: dict[tuple, list[int]] = {}
    for place, k in enumerate(seen.frames):
        atoms = labels.dataset.atoms[int(k)]
        cell = np.round(atoms.cell.array, 5) + 0.0 if atoms.pbc.any() else np.zeros(1)
        kinds.setdefault((labels.orders[k], atoms.pbc.tobytes(), cell.tobytes()), []).append(place)
    for places in kinds.values():
        if len(places) >= 4:
            yield np.array(places)[:: -(-len(places) // MOST)]


def _clipped(values: np.ndarray) -> np.ndarray:
    """Changes beyond 6 robust standard deviations, made smaller: single wrong energies are another finding."""
    most = 6 * 1.4826 * np.median(np.abs(values)) if len(values) else 0.0
    return np.clip(values, -most, most) if most > 0 else values
