"""Stresses against energies of the same structure in cells of other sizes: no model is needed."""

from __future__ import annotations

import numpy as np
from scipy.linalg import logm

from labkit.datasets.audit.ratio import Changes, Ratio
from labkit.datasets.dataset import Dataset

SAME = 1e-3  # difference of scaled positions
OFFSET = 1.37e-4  # added to them, so that simple fractions are not at the edge of rounding
FURTHEST = 0.12  # strain between two cells of a scan
MOST = 500  # pairs


def scan_pairs(dataset: Dataset, frames: np.ndarray) -> list[tuple[int, int, np.ndarray]]:
    """Pairs of frames of the same scaled positions in cells of neighbouring sizes, and the strain (3, 3) between."""
    groups: dict[tuple[bytes, bytes], list[int]] = {}
    for k in frames.tolist():
        atoms = dataset.atoms[k]
        scaled = np.linalg.solve(atoms.cell.array.T, (atoms.positions - atoms.positions[0]).T).T
        mark = np.round((scaled + OFFSET) / SAME).astype(np.int32)
        groups.setdefault((atoms.numbers.tobytes(), mark.tobytes()), []).append(k)
    out = []
    for members in groups.values():
        by_size = sorted(members, key=lambda k: dataset.atoms[k].cell.volume)
        for a, b in zip(by_size, by_size[1:]):
            strain = logm(np.linalg.solve(dataset.atoms[a].cell.array, dataset.atoms[b].cell.array)).real
            if 1e-5 < np.abs(strain).max() < FURTHEST and len(out) < MOST:
                out.append((a, b, strain))
    return out


def scan_ratio(dataset: Dataset, pairs: list[tuple[int, int, np.ndarray]], divided: bool) -> Ratio | None:
    """Work of the stress from one cell to the next over the change of energy, (V_a σ_a + V_b σ_b):ε/2 over ΔE.

    With `divided`, the labels are divided by the volume first, as virials are. None for too few pairs.
    """
    work, change = [], []
    for a, b, strain in pairs:
        volumes = [1.0 if divided else dataset.atoms[k].cell.volume for k in (a, b)]
        work.append((0.5 * (volumes[0] * dataset.stress[a] + volumes[1] * dataset.stress[b]) * strain).sum())
        change.append(dataset.energy[b] - dataset.energy[a])
    count = np.ones(len(work))
    return Changes(np.array(work), np.array(change), count, "energies of cells of several sizes").ratio()
